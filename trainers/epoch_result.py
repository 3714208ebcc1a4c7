"""What a trainer says of an epoch and of a finished trial. Accuracies are percentages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from trainers.metrics import METRICS


@dataclass(frozen=True)
class EpochResult:
    """The protocol of one epoch's result.

    Training figures are those of the weights while they changed, as the reports print them.
    ``seconds`` is training alone, ``val_seconds`` validation.
    """

    epoch: int
    lr: float
    train_loss: float
    train_loss_std: float
    train_top1: float
    train_top1_std: float
    train_top5: float
    val_loss: float
    val_loss_std: float
    val_top1: float
    val_top1_std: float
    val_top5: float
    seconds: float
    val_seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EpochResult:
        """Return the result in a mapping, with NaN for what an earlier release did not measure;
        unknown names are left out."""
        return cls(**{item.name: values.get(item.name, math.nan) for item in fields(cls)})


def best_epoch(history: Sequence[EpochResult], objective: str) -> int:
    """Return the first epoch (from 1) with the best ``objective``; 0 before any."""
    best = METRICS[objective].best_index([getattr(result, objective) for result in history])
    return 0 if best is None else best + 1


class DivergedError(RuntimeError):
    """Loss or weights are no longer useful numbers; says at which epoch and what was seen."""

    def __init__(self, epoch: int, what: str):
        super().__init__(epoch, what)  # as given, so that it can be pickled between processes
        self.epoch, self.what = epoch, what

    def __str__(self) -> str:
        return f"diverged in epoch {self.epoch}: {self.what}"
