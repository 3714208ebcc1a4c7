"""What becomes of a trial at an epoch: it goes on, pauses, or is pruned."""

from __future__ import annotations

from optuna.pruners import NopPruner
from optuna.study import Study
from optuna.trial import Trial

from search.record.trials import PAUSED, TARGET
from search.settings.plan import TrialPlan
from search.storage.database import database_of, one_commit
from search.storage.optuna_internals import forget_report, storage_of
from search.strategy.promotion import Step
from search.study import events
from search.study.acquire import Claims, record_step
from search.study.finish import Endings
from search.study.live_trial import LiveTrial
from search.study.promoting import Promotion
from trainers.failpoints import failpoint

Outcome = events.Ended | events.Paused  # of a report, where the trial does not go on


class Decisions:
    """Asks the promotion rule where trials pause, else the study's pruner; once an epoch."""

    def __init__(
        self,
        study: Study,
        plan: TrialPlan,
        claims: Claims,
        endings: Endings,
        promotion: Promotion | None,
    ):
        self._study = study
        self._baseline = plan.space.baseline_params()
        self._claims = claims
        self._endings = endings
        self._promotion = promotion

    def set_target(self, live: LiveTrial) -> None:
        """Where a trial that begins is to pause first: known before its worker begins."""
        if self._promotion is None:
            return
        if TARGET not in live.trial.user_attrs:
            length = live.config.epochs
            first = self._promotion.rule.next_rung(live.epoch, length)
            live.trial.set_user_attr(TARGET, first if self.is_prunable(live.trial) else length)
            failpoint("target recorded")
        live.target = live.trial.user_attrs[TARGET]

    def report(self, live: LiveTrial, epoch: int, value: float) -> Outcome | None:
        """Reports, decides and, if pruned, tells: in one commit, so that no crash comes between.
        None: the trial goes on."""
        target = live.target
        try:
            with one_commit(storage_of(self._study)):
                live.trial.report(value, epoch)
                failpoint("epoch reported")
                return self._decide(live, epoch)
        except BaseException:
            forget_report(live.trial, epoch)
            live.target = target
            raise

    def make_up(self, live: LiveTrial) -> Outcome | None:
        """The decision after the last report, where a crash may have come between the two."""
        one_write = database_of(storage_of(self._study)) is not None
        undecided = live.epoch > 0 and not live.diverged and not one_write
        return self._decide(live, live.epoch) if undecided else None

    def is_prunable(self, trial: Trial) -> bool:
        """The recipe's own trial always runs to its end: it is what the others are compared
        with."""
        recipe = trial.number == 0 or trial.params == self._baseline
        return not recipe and not isinstance(self._study.pruner, NopPruner)

    def _decide(self, live: LiveTrial, epoch: int) -> Outcome | None:
        if self._promotion:
            return self._pause(live, epoch, self._promotion)
        return self._endings.pruned(live, epoch) if self._prunes(live, epoch) else None

    def _pause(self, live: LiveTrial, epoch: int, promotion: Promotion) -> events.Paused | None:
        """At its target a trial pauses, unless it would be the next to go on anyway."""
        number, epochs = live.trial.number, live.config.epochs
        if live.target is None or epoch < live.target or epoch >= epochs:
            return None
        trials = self._study.get_trials(deepcopy=False)
        step = promotion.decide(trials, self._claims.may_start(trials), asking=number)
        if isinstance(step, Step) and step.number == number:
            record_step(live.trial, step)
            live.target = step.target
            return None
        for name, figure in {**(live.usage or {}), PAUSED: epoch}.items():
            live.trial.set_user_attr(name, figure)
        failpoint("paused")
        return events.Paused(number, epoch, epochs)

    def _prunes(self, live: LiveTrial, epoch: int) -> bool:
        """Asks the pruner about the last epoch."""
        last = epoch >= live.config.epochs
        return not last and self.is_prunable(live.trial) and live.trial.should_prune()
