"""The trials that one driver works on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from optuna.study import Study
from optuna.trial import Trial, TrialState

from search.common.layout import origin_of
from search.settings.plan import TrialPlan
from search.storage.optuna_internals import reported_values
from search.study.messages import Task
from trainers.config import Config
from trainers.metrics import Metric


@dataclass
class LiveTrial:
    """A trial that a worker trains. ``epoch`` is the last one reported, ``best`` the best value of
    ``metric`` so far, None before the first. ``diverged``: a NaN was reported, and the trial not
    finished. ``target`` is the epoch at which it may pause, where trials do."""

    trial: Trial
    config: Config
    metric: Metric
    epoch: int = 0
    best: float | None = None
    diverged: bool = False
    usage: Mapping[str, float] | None = None
    target: int | None = None

    @classmethod
    def recall(cls, trial: Trial, config: Config, metric: Metric) -> LiveTrial:
        """Returns the trial with what the study has of it. A NaN is not an epoch: the worker will
        find it again."""
        live = cls(trial, config, metric)
        for epoch, value in reported_values(trial).items():
            if math.isnan(value):
                live.diverged = True
            else:
                live.add(epoch, value)
        return live

    def add(self, epoch: int, value: float) -> None:
        """Takes in what was reported."""
        self.epoch = max(self.epoch, epoch)
        if self.best is None or self.metric.is_better(value, self.best):
            self.best = value

    def task(self, plan: TrialPlan, alone: bool) -> Task:
        """Returns what its worker gets: whole paths, since a user's code may change directories."""
        number = self.trial.number
        folder = plan.folder.trial(number)
        return Task(
            number=number,
            config=self.config.to_dict(),
            execution=plan.execution.to_dict(),
            data_folder=str(plan.data_folder.absolute()),
            folder=str(folder.absolute()),
            reported=self.epoch,
            alone=alone,
            fingerprint=plan.fingerprint,
            url=origin_of(plan.folder.results_dir),
            name=folder.relative_to(plan.folder.results_dir).as_posix(),
        )


class RunningTrials:
    """``live`` ones are at work, by number. Others wait until a live trial of the same
    configuration is over, or until no other is at work, to run alone."""

    def __init__(self) -> None:
        self.live: dict[int, LiveTrial] = {}
        self._alone: set[int] = set()
        self._waiting: dict[int, int] = {}  # for another trial of the same configuration

    def numbers(self) -> set[int]:
        """Returns the live ones and those that wait for one that still is."""
        waiting = {number for number, twin in self._waiting.items() if twin in self.live}
        return self.live.keys() | waiting

    def waits_for_twin(self, number: int, config: Config) -> bool:
        """Returns whether a live trial trains the same: then ``number`` waits for it."""
        for twin, other in self.live.items():
            if other.config == config:
                self._waiting[number] = twin
                return True
        return False

    def has_waited(self, number: int) -> bool:
        return number in self._waiting

    def must_empty(self, study: Study) -> bool:
        """Returns whether a trial is to run alone as soon as nobody else does, unless another
        program ended it."""
        if self._alone:
            running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            self._alone &= {trial.number for trial in running}
        return bool(self._alone and self.live)

    def is_alone(self, number: int) -> bool:
        return len(self.live) == 1 or number in self._alone

    def runs_alone(self, number: int) -> bool:
        """Returns whether it was put back to run alone."""
        return number in self._alone

    def run_alone(self, number: int) -> None:
        """Puts it back: it resumes from its last epoch, once no other is at work here."""
        self._alone.add(number)
        self.live.pop(number, None)

    def remove(self, number: int) -> None:
        """Forgets a trial that has finished, pauses or is another driver's."""
        self._alone.discard(number)
        self._waiting.pop(number, None)
        self.live.pop(number, None)

    def clear(self) -> None:
        self.live.clear()
        self._alone.clear()
