"""The promotion rule asked about a study: its trials and what is left to spend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from search.settings.plan import TrialPlan
from search.strategy.promotion import Limits, Pause, PromotionRule, Step
from search.strategy.rungs import Views, seconds_per_epoch
from trainers.metrics import METRICS


class Promotion:
    """``seconds_left`` is the time that this run still has (None: no end), for ``workers``."""

    def __init__(self, rule: PromotionRule, plan: TrialPlan):
        self.rule = rule
        self.plan = plan
        self.workers = 1
        self.seconds_left: Callable[[], float | None] = lambda: None
        space, metric = plan.space, METRICS[plan.objectives[0]]
        self._views = Views(space.baseline, space.baseline_params(), metric)
        self._rungs = rule.rungs_of(())

    def decide(
        self,
        trials: Sequence[FrozenTrial],
        may_start: int,
        asking: int | None = None,
        timed: bool = True,
    ) -> Step | Pause:
        """What a free worker does. ``timed``: within the time that is left. Trial ``asking`` has
        just reported: is it this one?"""
        self._rungs.update(self._views.of(trials, asking))
        return self.rule.decide_at(self._rungs, self._limits(may_start, timed))

    def has_nothing_left(self, trials: Sequence[FrozenTrial], may_start: int) -> bool:
        """Whatever time this run still has."""
        return self.decide(trials, may_start, timed=False) is Pause.DONE

    def length(self, trial: FrozenTrial) -> int:
        """Epochs of its whole training."""
        setting: dict[str, Any] = {**self.plan.space.baseline, **trial.params}
        return int(setting["epochs"])

    def _limits(self, may_start: int, timed: bool) -> Limits:
        """By epochs or by time, whichever leaves fewer whole trainings."""
        epochs = self._epochs(may_start)
        lane = self.seconds_left() if timed else None
        mean = None if lane is None else seconds_per_epoch(self._rungs.trials)
        if lane is None or mean is None:
            return epochs
        seconds = self._seconds(lane, mean)
        if epochs.left is not None and epochs.left <= seconds / mean:
            return epochs
        return Limits(may_start, seconds, lane, self.workers, timed=True)

    def _epochs(self, may_start: int) -> Limits:
        if self.plan.epoch_budget is None:
            return Limits(may_start)
        left = float(self.plan.epoch_budget - self._rungs.promised)
        return Limits(may_start, left, left, self.workers)

    def _seconds(self, lane: float, mean: float) -> float:
        """Of all workers, not promised to any trial."""
        promised = math.fsum(  # exact: the order of the trials makes no difference
            (trial.target - trial.epochs) * (trial.seconds or mean)
            for trial in self._rungs.running.values()
            if trial.target is not None
        )
        return self.workers * lane - promised
