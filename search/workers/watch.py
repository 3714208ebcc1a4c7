"""Sees that workers are alive: one that is silent is killed, and Ray starts it again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from search.workers.heartbeat import last_beat

LONGEST_TICK = 5.0  # s; a driver that was held up itself has heard nobody meanwhile
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class _Worker:
    pid: int
    heartbeat: Path
    heard: float
    beat: int | None = None
    killed: bool = False


class Watch:
    """Kept by trial number; ``silence`` is how many seconds without a message or a heartbeat mean
    that a worker hangs.

    Its clock runs only while the driver listens: neither a database that was waited for nor a
    suspended machine nor a change of the time of day makes a worker late.
    """

    def __init__(
        self,
        silence: float,
        clock: Callable[[], float] = time.monotonic,
        kill: Callable[[int, int], None] = os.kill,
    ):
        self._silence = silence
        self._clock, self._kill = clock, kill
        self._last = clock()
        self._now = self._next_look = 0.0
        self._workers: dict[int, _Worker] = {}

    def began(self, number: int, pid: int, heartbeat: Path) -> None:
        """A worker is at the trial; ``heartbeat`` is the file that it touches."""
        self._workers[number] = _Worker(pid, heartbeat, self._now, last_beat(heartbeat))

    def heard(self, number: int) -> None:
        """A message has come."""
        worker = self._workers.get(number)
        if worker:
            worker.heard = self._now

    def ended(self, number: int) -> str:
        """The trial is over; why its worker was killed, if it was."""
        worker = self._workers.pop(number, None)
        killed = worker is not None and worker.killed
        return f"its worker was silent for {self._silence:.0f} s" if killed else ""

    def look(self) -> None:
        """Kills workers that are silent for too long."""
        now = self._clock()
        self._now += min(now - self._last, LONGEST_TICK)
        self._last = now
        if self._now < self._next_look:
            return
        self._next_look = self._now + SECONDS_BETWEEN_LOOKS
        for worker in self._workers.values():
            self._look_at(worker)

    def _look_at(self, worker: _Worker) -> None:
        beat = last_beat(worker.heartbeat)
        if beat != worker.beat:
            worker.beat, worker.heard = beat, self._now
        if not worker.killed and self._now - worker.heard > self._silence:
            worker.killed = True
            with suppress(ProcessLookupError):
                self._kill(worker.pid, signal.SIGKILL)
