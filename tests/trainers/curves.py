"""When two trainings have gone the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainers.epoch_result import EpochResult


def same_curve(some: Sequence[EpochResult], others: Sequence[EpochResult]) -> bool:
    """As many epochs, equal in everything but the clock."""
    return [_without_clock(result) for result in some] == [_without_clock(r) for r in others]


def _without_clock(result: EpochResult) -> EpochResult:
    return replace(result, seconds=0.0, val_seconds=0.0)
