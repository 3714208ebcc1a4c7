"""Sees that workers are heard of: one that hangs is killed, and Ray starts it again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from search.planning.resources import Bounds

LONGEST_TICK = 5.0  # s; a driver that was held up itself has heard nobody meanwhile


@dataclass
class _Worker:
    pid: int
    heard: float
    slowest: float = 0.0
    hung: str = ""


class Watch:
    """Kept by trial number. Its clock runs only while the driver listens: neither a database that
    was waited for nor a suspended machine nor a change of the time of day makes a worker late."""

    def __init__(
        self,
        bounds: Bounds | None = None,
        clock: Callable[[], float] = time.monotonic,
        kill: Callable[[int, int], None] = os.kill,
    ):
        self._bounds = bounds or Bounds()
        self._clock, self._kill = clock, kill
        self._last = clock()
        self._now = self._slowest = 0.0
        self._workers: dict[int, _Worker] = {}

    def began(self, number: int, pid: int) -> None:
        """A worker is at the trial."""
        self._workers[number] = _Worker(pid, self._now)

    def heard(self, number: int) -> None:
        """An epoch has come."""
        worker = self._workers.get(number)
        if worker:
            took = self._now - worker.heard
            worker.heard, worker.slowest = self._now, max(worker.slowest, took)
            self._slowest = max(self._slowest, took)

    def ended(self, number: int) -> str:
        """The trial is over; why its worker was killed, if it was."""
        worker = self._workers.pop(number, None)
        return worker.hung if worker else ""

    def look(self) -> None:
        """Kills workers that are late."""
        now = self._clock()
        self._now += min(now - self._last, LONGEST_TICK)
        self._last = now
        for worker in self._workers.values():
            bound = self._bound(worker)
            if bound is None or worker.hung or self._now - worker.heard <= bound:
                continue
            worker.hung = f"no epoch within {bound:.0f} s"
            with suppress(ProcessLookupError):
                self._kill(worker.pid, signal.SIGKILL)

    def _bound(self, worker: _Worker) -> float | None:
        if worker.slowest:
            return max(self._bounds.least, self._bounds.times * worker.slowest)
        if self._slowest:
            return max(self._bounds.least_first, self._bounds.times_first * self._slowest)
        return None
