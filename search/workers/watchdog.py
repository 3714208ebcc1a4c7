"""Sees that workers are alive: one that is silent is killed, and Ray starts it again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from search.workers.cluster import kill_there
from search.workers.heartbeat import last_beat

LONGEST_TICK = 5.0  # s; a driver that was held up itself has heard nobody meanwhile
SECONDS_BETWEEN_LOOKS = 1.0
PATIENCE = 10


@dataclass
class _Worker:
    pid: int
    heartbeat: Path
    node: str  # of a cluster
    heard: float
    beat: int | None = None
    killed_after: float | None = None  # s


class Watch:
    """Kept by trial number; ``silence`` is how many seconds without a message or a heartbeat mean
    that a worker hangs, or ``PATIENCE`` times the longest pause of any worker that went on after
    it, if that is more: a batch of a large model may take minutes. ``far`` sees heartbeats that
    only their node can see.

    Its clock runs only while the driver listens: neither a database that was waited for nor a
    suspended machine nor a change of the time of day makes a worker late.
    """

    def __init__(
        self,
        silence: float,
        clock: Callable[[], float] = time.monotonic,
        kill: Callable[[int, int], None] = os.kill,
        far: Callable[[str, Path], int | None] | None = None,
    ):
        self._silence = silence
        self._clock, self._kill, self._far = clock, kill, far
        self._last = clock()
        self._now = self._next_look = self._longest_pause = 0.0
        self._workers: dict[int, _Worker] = {}

    def began(self, number: int, pid: int, heartbeat: Path, node: str = "") -> None:
        """A worker is at the trial; ``heartbeat`` is the file that it touches."""
        self._workers[number] = _Worker(pid, heartbeat, node, self._now)
        self._workers[number].beat = self._last_beat(self._workers[number])

    def heard(self, number: int) -> None:
        """A message has come."""
        worker = self._workers.get(number)
        if worker:
            self._sign_of_life(worker)

    def node(self, number: int) -> str:
        """On which the trial's worker is; "" where it has not begun, or there is no cluster."""
        worker = self._workers.get(number)
        return worker.node if worker else ""

    def ended(self, number: int) -> str:
        """The trial is over; why its worker was killed, if it was."""
        worker = self._workers.pop(number, None)
        if worker is None or worker.killed_after is None:
            return ""
        return f"its worker was silent for {worker.killed_after:.0f} s"

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

    def _sign_of_life(self, worker: _Worker) -> None:
        self._longest_pause = max(self._longest_pause, self._now - worker.heard)
        worker.heard = self._now

    def _last_beat(self, worker: _Worker) -> int | None:
        if self._far is not None:
            return self._far(worker.node, worker.heartbeat)
        return last_beat(worker.heartbeat)

    def _look_at(self, worker: _Worker) -> None:
        beat = self._last_beat(worker)
        if beat != worker.beat:
            worker.beat = beat
            self._sign_of_life(worker)
        allowed = max(self._silence, PATIENCE * self._longest_pause)
        if worker.killed_after is None and self._now - worker.heard > allowed:
            worker.killed_after = allowed
            if worker.node:
                kill_there(worker.node, worker.pid)
                return
            with suppress(ProcessLookupError):
                self._kill(worker.pid, signal.SIGKILL)
