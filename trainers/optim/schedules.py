"""Learning rates and early stopping as pure functions of the history.

Neither keeps state of its own: what they say of the next epoch follows from the configuration
and the epochs so far, so a resumed trial cannot differ from an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainers.config import TrainConfig

PLATEAU_THRESHOLD = 1e-4  # relative; torch's ReduceLROnPlateau has the same default


def learning_rate(config: TrainConfig, val_losses: Sequence[float]) -> float:
    """The rate of the next epoch, after ``len(val_losses)`` finished ones."""
    done = len(val_losses)
    start = config.initial_lr
    if config.schedule == "cosine":
        return start * (1 + math.cos(math.pi * done / config.epochs)) / 2
    if config.schedule == "piecewise":
        # Whole epochs against progress · epochs: no rounding at the border. Report E.
        drops = sum(done >= round(m * config.epochs, 9) for m in config.milestones)
        return start * config.decay_factor**drops
    if config.schedule == "plateau":
        return plateau_rate(config, val_losses)
    return start


def plateau_rate(config: TrainConfig, val_losses: Sequence[float]) -> float:
    """torch's ReduceLROnPlateau (mode min, relative threshold) replayed over the history."""
    rate, best, waited = config.initial_lr, math.inf, 0
    for loss in val_losses:
        if loss < best * (1 - PLATEAU_THRESHOLD):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > config.plateau_patience:
            reduced = max(rate * config.decay_factor, config.min_lr)
            rate = reduced if rate - reduced > 1e-8 else rate
            waited = 0
    return rate


def best_epoch(val_top1: Sequence[float]) -> int:
    """The first epoch (from 1) with the highest validation accuracy; 0 before any."""
    return max(range(len(val_top1)), key=lambda i: val_top1[i]) + 1 if val_top1 else 0


def stops_early(config: TrainConfig, val_top1: Sequence[float]) -> bool:
    """Whether more than ``early_stopping`` epochs have passed without a better accuracy.

    Report D: a counter of epochs without improvement; stop when it exceeds its patience.
    """
    if config.early_stopping == 0:
        return False
    return len(val_top1) - best_epoch(val_top1) > config.early_stopping
