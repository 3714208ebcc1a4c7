"""Sees that workers are alive: one that is silent is killed, and Ray starts it again.

Whoever trains, tests or loads touches a file in its trial's folder at every batch: a thread would
keep beating beside a call that hangs. The file is seen from any node that shares the study's
folder, and only whether its time has changed is asked, so the nodes' clocks may differ.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from search.common.formatting import duration

SECONDS_BETWEEN_BEATS = 1.0
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_REMOTE_LOOKS = 60.0
LONGEST_TICK = 5.0  # s; a driver that was held up itself has heard nobody meanwhile
PATIENCE = 10  # times the longest pause that a worker recovered from
SECONDS_WITHOUT_EPOCH = 120.0  # or three times the longest wait so far, before it is said


class Heartbeat:
    """Call it at every batch: it looks at the clock and touches the file once a second."""

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
        """Stop: the trial is over."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def last_beat(file: Path) -> int | None:
    """Return when ``file`` was touched last, by its file system's clock; None without a file."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


class RemoteHeartbeats:
    """Heartbeats that only their own node can see. It never waits, and returns what the last look
    saw. ``ask`` begins a look on a node and returns a function for its answer, None until then."""

    def __init__(
        self,
        ask: Callable[[str, Path], Callable[[], int | None]],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._ask, self._clock = ask, clock
        self._next: dict[Path, float] = {}
        self._answers: dict[Path, Callable[[], int | None]] = {}
        self._seen: dict[Path, int | None] = {}

    def __call__(self, node: str, file: Path) -> int | None:
        if file in self._answers and (seen := self._answers[file]()) is not None:
            self._seen[file] = seen
        if self._clock() >= self._next.get(file, 0.0):
            self._next[file] = self._clock() + SECONDS_BETWEEN_REMOTE_LOOKS
            self._answers[file] = self._ask(node, file)
        return self._seen.get(file)


@dataclass
class _Worker:
    pid: int
    heartbeat: Path
    node: str  # of a cluster, by Ray's id
    heard: float
    beat: int | None = None
    killed_after: float | None = None  # s


class Watchdog:
    """Watches workers by their trials' numbers. ``silence`` is how many seconds without a message
    or a heartbeat mean that a worker hangs, or ``PATIENCE`` times the longest pause of any worker
    that recovered from it, if that is more: a batch of a large model may take minutes. On a cluster
    ``remote`` sees heartbeats, if they are not in a shared folder, and ``kill_on`` ends a process.

    Its clock runs only while the driver listens: neither a database that was waited for nor a
    suspended machine nor a change of the time of day makes a worker late.
    """

    def __init__(
        self,
        silence: float,
        clock: Callable[[], float] = time.monotonic,
        kill: Callable[[int, int], None] = os.kill,
        remote: Callable[[str, Path], int | None] | None = None,
        kill_on: Callable[[str, int], None] | None = None,
    ):
        self._silence = silence
        self._clock, self._kill = clock, kill
        self._remote, self._kill_on = remote, kill_on
        self._last = clock()
        self._now = self._next_look = self._longest_pause = 0.0
        self._workers: dict[int, _Worker] = {}
        self._epoch, self._allowed = 0.0, SECONDS_WITHOUT_EPOCH

    def began(self, number: int, pid: int, heartbeat: Path, node: str = "") -> None:
        """Note that a worker is at the trial; ``heartbeat`` is the file that it touches."""
        self._workers[number] = _Worker(pid, heartbeat, node, self._now)
        self._workers[number].beat = self._last_beat(self._workers[number])

    def heard(self, number: int) -> None:
        """Note that a message has come."""
        worker = self._workers.get(number)
        if worker:
            self._sign_of_life(worker)

    def epoch(self) -> None:
        """Note that the message was of an epoch."""
        self._allowed = max(SECONDS_WITHOUT_EPOCH, 3 * (self._now - self._epoch))
        self._epoch = self._now

    def ended(self, number: int) -> str:
        """Forget a trial that is over. Return why its worker was killed, if it was."""
        worker = self._workers.pop(number, None)
        if worker is None or worker.killed_after is None:
            return ""
        return f"its worker was silent for {worker.killed_after:.0f} s"

    def look(self) -> str:
        """Kills workers that are silent for too long. Returns a sentence where no epoch has come
        for long, each time after twice the wait of before, else ""."""
        now = self._clock()
        self._now += min(now - self._last, LONGEST_TICK)
        self._last = now
        if self._now < self._next_look:
            return ""
        self._next_look = self._now + SECONDS_BETWEEN_LOOKS
        for worker in self._workers.values():
            self._look_at(worker)
        waited = self._now - self._epoch
        if waited < self._allowed:
            return ""
        self._allowed = 2 * waited
        return (
            f"no epoch has come for {duration(waited)}: {len(self._workers)} worker(s) at work, "
            f"this machine's load is {os.getloadavg()[0]:.1f} on {os.cpu_count()} core(s)"
        )

    def _sign_of_life(self, worker: _Worker) -> None:
        self._longest_pause = max(self._longest_pause, self._now - worker.heard)
        worker.heard = self._now

    def _last_beat(self, worker: _Worker) -> int | None:
        if self._remote is not None:
            return self._remote(worker.node, worker.heartbeat)
        return last_beat(worker.heartbeat)

    def _look_at(self, worker: _Worker) -> None:
        beat = self._last_beat(worker)
        if beat != worker.beat:
            worker.beat = beat
            self._sign_of_life(worker)
        allowed = max(self._silence, PATIENCE * self._longest_pause)
        if worker.killed_after is None and self._now - worker.heard > allowed:
            worker.killed_after = allowed
            if worker.node and self._kill_on:
                self._kill_on(worker.node, worker.pid)
                return
            with suppress(ProcessLookupError):
                self._kill(worker.pid, signal.SIGKILL)
