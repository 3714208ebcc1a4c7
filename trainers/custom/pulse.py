"""The sign of life of a training function that gives none by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LOOKS = 1.0
LEAST_SHARE = 0.02  # of a core, that a process at work takes; one that hangs takes none


@contextmanager
def pulse(beat: Callable[[], None]) -> Iterator[None]:
    """Return a context manager within which ``beat`` is called as long as this process uses its
    processor. What waits for a GPU uses it too; what waits for a lock, or for a connection that is
    gone, does not."""
    over = threading.Event()

    def watch() -> None:
        before = time.process_time()
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            now = time.process_time()
            if now - before >= LEAST_SHARE * SECONDS_BETWEEN_LOOKS:
                beat()
            before = now

    thread = threading.Thread(target=watch, daemon=True, name="pulse")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
