"""Learning rates and early stopping as pure functions of the history.

Neither keeps state of its own: what they say of the next epoch follows from the configuration
and the epochs so far, so a resumed trial cannot differ from an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainers.config import SCHEDULES, TrainConfig
from trainers.metrics import METRICS

PLATEAU_THRESHOLD = 1e-4  # relative; torch's ReduceLROnPlateau has the same default


def learning_rate(config: TrainConfig, watched: Sequence[float]) -> float:
    """The rate of the next epoch, after ``len(watched)`` finished ones; ``watched`` are their
    values of ``config.plateau_metric``. Every schedule takes the same two."""
    rate: float = SCHEDULES[config.schedule].load()(config, watched)
    return rate


def constant(config: TrainConfig, watched: Sequence[float]) -> float:
    return config.initial_lr


def cosine(config: TrainConfig, watched: Sequence[float]) -> float:
    return config.initial_lr * (1 + math.cos(math.pi * len(watched) / config.epochs)) / 2


def piecewise(config: TrainConfig, watched: Sequence[float]) -> float:
    # Whole epochs against progress · epochs: no rounding at the border. Report E.
    drops = sum(len(watched) >= round(m * config.epochs, 9) for m in config.milestones)
    return config.initial_lr * config.decay_factor**drops


def plateau(config: TrainConfig, watched: Sequence[float]) -> float:
    """torch's ReduceLROnPlateau (relative threshold) replayed over the history; its mode is the
    direction of the metric."""
    metric = METRICS[config.plateau_metric]
    rate, best, waited = config.initial_lr, metric.worst, 0
    for value in watched:
        if metric.is_better(value, than=best * (1 - metric.sign * PLATEAU_THRESHOLD)):
            best, waited = value, 0
        else:
            waited += 1
        if waited > config.plateau_patience:
            reduced = max(rate * config.decay_factor, config.min_lr)
            rate = reduced if rate - reduced > 1e-8 else rate
            waited = 0
    return rate


def stops_early(config: TrainConfig, epochs: int, best_epoch: int) -> bool:
    """Whether more than ``early_stopping`` of ``epochs`` have passed since the best one.

    Report D: a counter of epochs without improvement; stop when it exceeds its patience.
    """
    return 0 < config.early_stopping < epochs - best_epoch
