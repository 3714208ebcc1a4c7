"""What becomes of a trial at an epoch, and what a free worker does next."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum

from optuna.pruners import NopPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from search.record.trials import is_baseline
from search.settings.plan import TrialPlan
from search.strategy.promotion import Limits, Pause, Step, rule_of
from search.strategy.rungs import Views, seconds_per_epoch
from search.study.running_trials import LiveTrial
from trainers.metrics import METRICS


class AfterEpoch(Enum):
    """What a trial does after an epoch, where it is not promoted at once."""

    CONTINUE = "continue"
    PAUSE = "pause"
    PRUNE = "prune"


class Decisions:
    """Asks the promotion rule where trials pause, else the study's pruner. It writes nothing.

    ``may_start`` says of a study's trials how many new ones may begin. ``workers`` train at once,
    and ``seconds_left`` is the time that this run still has (None: no end).
    """

    def __init__(
        self, study: Study, plan: TrialPlan, may_start: Callable[[Sequence[FrozenTrial]], int]
    ):
        self._study, self._plan, self._may_start = study, plan, may_start
        self._rule = rule_of(study.pruner)
        self._baseline = plan.space.baseline_params()
        self._views = Views(plan.space.baseline, self._baseline, METRICS[plan.objectives[0]])
        self._rungs = self._rule.rungs_of(()) if self._rule else None
        self.workers = 1
        self.seconds_left: Callable[[], float | None] = lambda: None

    @property
    def pauses(self) -> bool:
        """Return whether trials pause."""
        return self._rule is not None

    def is_prunable(self, trial: Trial) -> bool:
        """Returns whether the pruner is asked: the baseline always runs to its end, since it is
        what the others are compared with."""
        prunes = not isinstance(self._study.pruner, NopPruner)
        return prunes and not is_baseline(trial.params, self._baseline)

    def first_target(self, live: LiveTrial) -> int:
        """Returns the epoch at which a trial that begins pauses first, its last if it never does.
        Trials must pause."""
        assert self._rule is not None
        length = live.config.epochs
        return self._rule.next_rung(live.epoch, length) if self.is_prunable(live.trial) else length

    def after_epoch(self, live: LiveTrial, epoch: int) -> Step | AfterEpoch:
        """Decides once ``epoch`` is on record. Where trials pause, one does so at its target,
        unless it would be promoted next anyway."""
        if epoch >= live.config.epochs:
            return AfterEpoch.CONTINUE
        if not self.pauses:
            pruned = self.is_prunable(live.trial) and live.trial.should_prune()
            return AfterEpoch.PRUNE if pruned else AfterEpoch.CONTINUE
        if live.target is None or epoch < live.target:
            return AfterEpoch.CONTINUE
        number = live.trial.number
        step = self.next_step(self._study.get_trials(deepcopy=False), asking=number)
        return step if isinstance(step, Step) and step.number == number else AfterEpoch.PAUSE

    def next_step(
        self, trials: Sequence[FrozenTrial], asking: int | None = None, timed: bool = True
    ) -> Step | Pause | None:
        """Returns what a free worker does, by the promotion rule; None where trials do not pause.
        ``timed``: within the time that is left. Trial ``asking`` has just reported: is it this
        one?"""
        if self._rule is None or self._rungs is None:
            return None
        self._rungs.update(self._views.of(trials, asking))
        return self._rule.decide_at(self._rungs, self._limits(self._may_start(trials), timed))

    def has_nothing_left(self, trials: Sequence[FrozenTrial]) -> bool:
        """Returns whether the rule is done, whatever time this run still has."""
        return self.next_step(trials, timed=False) is Pause.DONE

    # -- what is left to spend -------------------------------------------------------------------

    def _limits(self, may_start: int, timed: bool) -> Limits:
        """Return the limits by epochs or by time, whichever leaves fewer whole trainings."""
        assert self._rungs is not None
        epochs = self._epochs(may_start)
        lane = self.seconds_left() if timed else None
        mean = None if lane is None else seconds_per_epoch(self._rungs.trials)
        if lane is None or mean is None:
            return epochs
        promised = math.fsum(  # exact: the order of the trials makes no difference
            (trial.target - trial.epochs) * (trial.seconds or mean)
            for trial in self._rungs.running.values()
            if trial.target is not None
        )
        seconds = self.workers * lane - promised
        if epochs.left is not None and epochs.left <= seconds / mean:
            return epochs
        return Limits(may_start, seconds, lane, self.workers, timed=True)

    def _epochs(self, may_start: int) -> Limits:
        assert self._rungs is not None
        if self._plan.epoch_budget is None:
            return Limits(may_start)
        left = float(self._plan.epoch_budget - self._rungs.promised)
        return Limits(may_start, left, left, self.workers)
