"""The promotion rule asked about a study: its trials and what is left to spend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from search.planning.plan import TrialPlan
from search.strategy.promotion import Limits, Pause, PromotionRule, Step
from search.strategy.rungs import TrialView, seconds_per_epoch, views
from trainers.metrics import METRICS


class Promotion:
    """``seconds_left`` is the time that this run still has (None: no end), for ``workers``."""

    def __init__(self, rule: PromotionRule, plan: TrialPlan):
        self.rule = rule
        self.plan = plan
        self.workers = 1
        self.seconds_left: Callable[[], float | None] = lambda: None

    def decide(
        self,
        trials: Sequence[FrozenTrial],
        may_start: int,
        asking: int | None = None,
        timed: bool = True,
    ) -> Step | Pause:
        """What a free worker does. ``timed``: within the time that is left. Trial ``asking`` has
        just reported: is it this one?"""
        space = self.plan.space
        metric = METRICS[self.plan.objectives[0]]
        seen = views(trials, space.recipe, space.baseline(), metric, asking)
        return self.rule.decide(seen, self._limits(seen, may_start, timed))

    def has_nothing_left(self, trials: Sequence[FrozenTrial], may_start: int) -> bool:
        """Whatever time this run still has."""
        return self.decide(trials, may_start, timed=False) is Pause.DONE

    def length(self, trial: FrozenTrial) -> int:
        """Epochs of its whole training."""
        setting: dict[str, Any] = {**self.plan.space.recipe, **trial.params}
        return int(setting["epochs"])

    def _limits(self, seen: Sequence[TrialView], may_start: int, timed: bool) -> Limits:
        """By epochs or by time, whichever leaves fewer whole trainings."""
        epochs = self._epochs(seen, may_start)
        lane, mean = self.seconds_left(), seconds_per_epoch(seen)
        if not timed or lane is None or mean is None:
            return epochs
        seconds = self._seconds(seen, lane, mean)
        if epochs.left is not None and epochs.left <= seconds / mean:
            return epochs
        return Limits(may_start, seconds, lane, self.workers, timed=True)

    def _epochs(self, seen: Sequence[TrialView], may_start: int) -> Limits:
        if self.plan.epoch_budget is None:
            return Limits(may_start)
        promised = sum(max(trial.epochs, trial.target or 0) for trial in seen)
        left = float(self.plan.epoch_budget - promised)
        return Limits(may_start, left, left, self.workers)

    def _seconds(self, seen: Sequence[TrialView], lane: float, mean: float) -> float:
        """Of all workers, not promised to any trial."""
        promised = sum(
            (trial.target - trial.epochs) * (trial.seconds or mean)
            for trial in seen
            if trial.target is not None
        )
        return self.workers * lane - promised
