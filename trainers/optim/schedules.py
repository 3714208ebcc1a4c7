"""Learning rates and early stopping as pure functions of the history.

Neither keeps state of its own: what they say of the next epoch follows from the configuration
and the epochs so far, so a resumed trial cannot differ from an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainers.config import TrainConfig
from trainers.metrics import METRICS
from trainers.registry import SCHEDULES

CYCLE_START, CYCLE_END = 25, 10_000  # torch's own defaults
PLATEAU_THRESHOLD = 1e-4  # relative; torch's ReduceLROnPlateau has the same default


def learning_rates(config: TrainConfig, watched: Sequence[float], steps: int) -> list[float]:
    """Return the rate of each of the ``steps`` of the next epoch, after ``len(watched)`` finished
    ones; ``watched`` are their values of ``config.plateau_metric``.

    With warm-up, every schedule's rate is multiplied by a share that rises by the step, from 1/w
    to 1 over w steps (Goyal et al. 2017).
    """
    entry, done = SCHEDULES[config.schedule], len(watched) * steps
    schedule = entry.load()
    if entry.by_step:
        rates = [schedule(config, done + i, config.epochs * steps) for i in range(steps)]
    else:
        rates = [schedule(config, watched)] * steps
    warm = round(config.warmup_epochs * steps)
    if done >= warm:
        return rates
    return [rate * min(1.0, (done + i + 1) / warm) for i, rate in enumerate(rates)]


def constant(config: TrainConfig, watched: Sequence[float]) -> float:
    return config.initial_lr


def cosine(config: TrainConfig, watched: Sequence[float]) -> float:
    return config.initial_lr * (1 + math.cos(math.pi * len(watched) / config.epochs)) / 2


def piecewise(config: TrainConfig, watched: Sequence[float]) -> float:
    # Whole epochs against progress · epochs: no rounding at the border. Report E.
    drops = sum(len(watched) >= round(m * config.epochs, 9) for m in config.milestones)
    return config.initial_lr * config.decay_factor**drops


def one_cycle(config: TrainConfig, step: int, steps: int) -> float:
    """Return torch's OneCycleLR (Smith and Topin 2018): half a cosine wave from lr / 25 up to lr
    over ``pct_start`` of the steps, another down to lr / 250,000. Momentum stays as it is."""
    low, high = config.initial_lr / CYCLE_START, config.initial_lr
    top = max(0.0, config.pct_start * steps - 1)
    if step < top:
        return _half_wave(low, high, step / top)
    fallen = (step - top) / max(1.0, steps - 1 - top)
    return _half_wave(high, low / CYCLE_END, fallen)


def _half_wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def plateau(config: TrainConfig, watched: Sequence[float]) -> float:
    """Return torch's ReduceLROnPlateau (relative threshold) replayed over the history; its mode is
    the direction of the metric."""
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
    """Return whether more than ``early_stopping`` of ``epochs`` have passed since the best one.

    Report D: a counter of epochs without improvement; stop when it exceeds its patience.
    """
    return 0 < config.early_stopping < epochs - best_epoch
