"""A worker's sign of life: a file in its trial's folder, touched as the work itself goes on.

A thread would go on beating beside a call that hangs; here whoever trains, tests or loads says so
at every batch. A file is seen from any node that shares the study's folder, and only whether its
time has changed is asked, so the nodes' clocks may differ.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

SECONDS_BETWEEN_BEATS = 1.0


class Heartbeat:
    """To be called at every batch: a look at the clock, and once a second a touch of the file."""

    def __init__(self, file: Path):
        self._file = file
        self._next = 0.0

    def __call__(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS_BETWEEN_BEATS
            with suppress(OSError):  # what is wrong with the folder, a checkpoint will say
                self._file.touch()

    def stop(self) -> None:
        """The trial is over."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def last_beat(file: Path) -> int | None:
    """When ``file`` was touched last, by its own file system's clock; None where it is not."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None
