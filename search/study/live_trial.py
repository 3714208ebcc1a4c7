"""A trial at work here: Optuna's handle, and what it has reported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optuna.trial import Trial

from search.common.layout import origin_of
from search.settings.plan import TrialPlan
from search.storage.optuna_internals import reported_values
from search.study.messages import Task
from trainers.configs import Config
from trainers.metrics import Metric


@dataclass
class LiveTrial:
    """``epoch`` is the last one reported, ``best`` the best value of ``metric`` so far, None
    before the first. ``diverged``: a NaN was reported and not yet told. ``target`` is the epoch
    at which it may pause, where trials do."""

    trial: Trial
    config: Config
    metric: Metric
    epoch: int = 0
    best: float | None = None
    diverged: bool = False
    usage: Mapping[str, float] | None = None
    target: int | None = None

    def add(self, epoch: int, value: float) -> None:
        """Takes in what was reported."""
        self.epoch = max(self.epoch, epoch)
        if self.best is None or self.metric.is_better(value, self.best):
            self.best = value


def recall(trial: Trial, config: Config, metric: Metric) -> LiveTrial:
    """What the study has of a trial: nothing of a new one. A NaN is not an epoch: the worker will
    find it again."""
    live = LiveTrial(trial, config, metric)
    for epoch, value in reported_values(trial).items():
        if math.isnan(value):
            live.diverged = True
        else:
            live.add(epoch, value)
    return live


def task_of(live: LiveTrial, plan: TrialPlan, alone: bool) -> Task:
    """What its worker gets."""
    number = live.trial.number
    folder = plan.folder.trial(number)
    return Task(
        number=number,
        config=live.config.to_dict(),
        execution=plan.execution.to_dict(),
        data_folder=str(plan.data_folder),
        folder=str(folder),
        reported=live.epoch,
        alone=alone,
        fingerprint=plan.fingerprint,
        url=origin_of(plan.folder.results_dir),
        name=folder.relative_to(plan.folder.results_dir).as_posix(),
    )
