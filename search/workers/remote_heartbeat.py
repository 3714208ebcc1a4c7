"""Heartbeats that only their own node can see: a task there looks, now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.workers.cluster import there
from search.workers.heartbeat import last_beat

SECONDS_BETWEEN_LOOKS = 60.0


class FarBeats:
    """Never waits: what is told is what the last look saw, None before the first has come back.
    ``look`` begins one on a node and ``answer`` is what it saw, None while it is on its way."""

    def __init__(
        self,
        look: Callable[[str, Path], Any] | None = None,
        answer: Callable[[Any], int | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._look, self._answer, self._clock = look or _look, answer or _answer, clock
        self._next: dict[Path, float] = {}
        self._asked: dict[Path, Any] = {}
        self._seen: dict[Path, int | None] = {}

    def __call__(self, node: str, file: Path) -> int | None:
        if file in self._asked and (seen := self._answer(self._asked[file])) is not None:
            self._seen[file] = seen
            del self._asked[file]
        if self._clock() >= self._next.get(file, 0.0):
            self._next[file] = self._clock() + SECONDS_BETWEEN_LOOKS
            self._asked[file] = self._look(node, file)
        return self._seen.get(file)


def _look(node: str, file: Path) -> Any:
    import ray

    if place := there(node):
        look = ray.remote(num_cpus=0)(last_beat).options(scheduling_strategy=place)
        return look.remote(file)
    return None


def _answer(asked: Any) -> int | None:
    import ray

    if not asked or not ray.wait([asked], timeout=0)[0]:
        return None
    try:
        return ray.get(asked)
    except ray.exceptions.RayError:  # the node is gone: its silence says so
        return None
