"""What a check is given, and what it may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainers.atomic_files import write_atomically

RUNNING, PASSED, FAILED, SKIPPED = "running", "passed", "failed", "skipped"


class FailedError(Exception):
    """What was checked does not hold."""


class SkippedError(Exception):
    """There is nothing to check here; the text says why."""


@dataclass(frozen=True)
class Setting:
    """``folder`` is scratch; ``smallest`` only shows that a check works. ``known`` is what is
    written to ``path`` with each figure, so a check that is killed leaves its figures."""

    device: str
    smallest: bool
    folder: Path
    path: Path
    known: dict[str, Any] = field(default_factory=lambda: {"result": RUNNING})

    @property
    def cuda(self) -> bool:
        return self.device == "cuda"

    def of(self, full: int, smallest: int) -> int:
        return smallest if self.smallest else full

    def record(self, name: str, figure: Any) -> None:
        """Writes and prints a figure. Those whose names begin alike, as "rows/eager", are kept
        together."""
        *groups, last = name.split("/")
        place = self.known
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = figure
        write(self.path, self.known)
        print(f"{self.path.stem}: {name} {json.dumps(figure)}", flush=True)


Check = Callable[[Setting], None]


def write(path: Path, known: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(known, indent=1).encode())


def expect(condition: bool, otherwise: str) -> None:
    """Raises ``FailedError`` with what is wrong where ``condition`` does not hold."""
    if not condition:
        raise FailedError(otherwise)


def needs_gpu(setting: Setting, why: str) -> None:
    """Raises ``SkippedError`` on the CPU, where ``why`` makes the question pointless."""
    if not setting.cuda:
        raise SkippedError(f"on the CPU {why}")


def short(figure: float) -> float:
    """Four digits of it."""
    return float(f"{figure:.4g}")
