"""What happens in a search, as the terminal and the log see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FINISHED, TIMED_OUT, INTERRUPTED = "finished", "timed out", "interrupted"  # how a search ends


@dataclass(frozen=True)
class TakenUp:
    """A trial that a dead driver left behind goes on after ``epoch``."""

    number: int
    epoch: int


@dataclass(frozen=True)
class Started:
    """A trial begins, or goes on after ``epoch``."""

    number: int
    params: Mapping[str, Any]
    epochs: int
    epoch: int


@dataclass(frozen=True)
class Epoch:
    """An epoch was reported: ``value`` is the validation accuracy in %."""

    number: int
    epoch: int
    epochs: int
    value: float
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A trial was told: Optuna's state, its value if it has one, and why."""

    number: int
    state: str
    value: float | None
    reason: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Note:
    """A line for the reader."""

    text: str
    warning: bool = False


Event = TakenUp | Started | Epoch | Ended | Note
