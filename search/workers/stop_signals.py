"""When a search is to stop: a signal has come, or its time is up."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)  # by which a batch system says that a job soon ends
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *WARNINGS)


class Stop:
    """Notes that a signal asked to stop. The second one ends the process at once; in a notebook or
    another session in which somebody types, the call alone. A warning only asks, however often it
    comes."""

    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT and hasattr(sys, "ps1"):
            raise KeyboardInterrupt
        if self.asked and number not in WARNINGS:
            os._exit(128 + number)
        self.asked = True


class Deadline:
    """Says when the whole search is to stop: ``stop`` was asked to, or ``timeout`` seconds are over
    (None: there is no end)."""

    def __init__(self, stop: Stop, timeout: float | None):
        self._stop = stop
        self._end = None if timeout is None else time.monotonic() + timeout

    def reached(self) -> bool:
        late = self._end is not None and time.monotonic() >= self._end
        return late or self._stop.asked

    def seconds_left(self) -> float | None:
        """Return the time that is left; None where there is no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def reason(self) -> str:
        """Return why the search stops now."""
        if self._stop.asked:
            return "stopping, trials at work are kept (a second signal ends it at once)"
        return "time is up, trials at work are kept"


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Return a context manager within which signals are handled, unless they were ignored: nohup
    means to outlive the terminal."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    handlers = {n: h if h == signal.SIG_IGN else stop for n, h in before.items()}
    _handle(handlers)
    try:
        yield stop
    finally:
        _handle(before)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Return a context manager within which signals wait. Then the handlers from before answer
    them, whatever Ray installed.

    Ray's answer to SIGTERM, while it starts, is to abort with a stack of C++.
    """
    if not _in_main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        _handle(handlers)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _handle(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        if _in_main_thread():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    """Return whether this is the main thread. Python takes signals there only; a search in another
    thread ends by its time-out."""
    return threading.current_thread() is threading.main_thread()
