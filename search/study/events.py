"""What happens in a search, as the terminal and the log see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from trainers.metrics import Metric

FINISHED, TIMED_OUT, INTERRUPTED = "finished", "timed out", "interrupted"  # how a search ends
ALL_FAILED = "every trial failed"  # it is finished, and nothing came of it


@dataclass(frozen=True)
class Resumed:
    """A trial that a dead driver left resumes after ``epoch``."""

    number: int
    epoch: int


@dataclass(frozen=True)
class Started:
    """A trial begins, or resumes after ``epoch``."""

    number: int
    params: Mapping[str, Any]
    epochs: int
    epoch: int


@dataclass(frozen=True)
class Promoted:
    """A trial that had paused after ``epoch`` continues to epoch ``target``; where it had finished,
    as the trial that ``continues`` it."""

    number: int
    epoch: int
    target: int
    continues: int | None = None


@dataclass(frozen=True)
class Paused:
    """A trial pauses after ``epoch`` of ``epochs``; its worker takes another."""

    number: int
    epoch: int
    epochs: int


@dataclass(frozen=True)
class Epoch:
    """An epoch was reported: ``value`` is that of ``metric``, the objective; ``result`` holds
    the epoch's other figures by name."""

    number: int
    epoch: int
    epochs: int
    value: float
    metric: Metric
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A trial has finished: Optuna's state, why, and the value of ``metric`` if it has one."""

    number: int
    state: str
    reason: str
    params: Mapping[str, Any]
    metric: Metric
    value: float | None = None


@dataclass(frozen=True)
class Standing:
    """Not for the log: the study's ``trials`` as they are now, those of other drivers too."""

    trials: Sequence[FrozenTrial]
    metric: Metric


@dataclass(frozen=True)
class Note:
    """A line for the reader."""

    text: str
    warning: bool = False


Event = Resumed | Started | Promoted | Paused | Epoch | Ended | Standing | Note
