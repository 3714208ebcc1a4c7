"""A trial at work here: Optuna's handle, and what it has reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optuna.study import Study
from optuna.trial import Trial

from trainers.config import TrainConfig


@dataclass
class LiveTrial:
    """``epoch`` is the last one reported. ``diverged``: a NaN was reported and not yet told."""

    trial: Trial
    config: TrainConfig
    epoch: int = 0
    best: float = -math.inf
    diverged: bool = False
    usage: Mapping[str, float] | None = None


def recall(study: Study, trial: Trial, config: TrainConfig) -> LiveTrial:
    """What the study has of a trial: nothing of a new one. A NaN is not an epoch: the worker will
    find it again."""
    reported = values_of(study, trial)
    values = {epoch: value for epoch, value in reported.items() if not math.isnan(value)}
    best = max(values.values(), default=-math.inf)
    return LiveTrial(trial, config, max(values, default=0), best, len(values) < len(reported))


def values_of(study: Study, trial: Trial) -> dict[int, float]:
    """The values reported so far, by epoch, as the database has them."""
    return study._storage.get_trial(trial._trial_id).intermediate_values
