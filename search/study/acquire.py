"""Claiming trials of a study, such that no two drivers ever train the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.record.trials import RETRY_OF, TARGET, counted, is_paused
from search.settings.plan import TrialPlan
from search.storage.database import one_commit
from search.storage.lease import Lease
from search.storage.optuna_internals import enqueued_params, storage_of, trial_id
from search.strategy.distributions import draw
from search.strategy.grid import towards_total
from search.strategy.promotion import Pause, Step
from search.study.continuation import continue_as_new
from spaces.params import SpaceError
from trainers.failpoints import failpoint

OWNER = "driver"

# What comes next, of a study's trials and how many more may begin.
Decide = Callable[[Sequence[FrozenTrial], int], Step | Pause]


@dataclass(frozen=True)
class Claim:
    """``trial`` is None where none is left; ``resumed``: it was begun before. ``trials`` are all
    of the study, of other drivers too, as they were just before. ``decision`` is the promotion
    rule's, where it was asked."""

    trial: Trial | None
    resumed: bool
    trials: Sequence[FrozenTrial]
    decision: Step | Pause | None = None

    def others(self) -> list[FrozenTrial]:
        """All trials but the one that is claimed, and the one that it goes on from."""
        claimed: set[int | None] = set() if self.trial is None else {self.trial.number}
        if isinstance(self.decision, Step):
            claimed.add(self.decision.number)
        return [trial for trial in self.trials if trial.number not in claimed]


class Claims:
    """Trials for one driver: what a dead driver left first, then new ones up to a total."""

    def __init__(self, study: Study, lease: Lease, plan: TrialPlan):
        self._study = study
        self._lease = lease
        self._plan = plan

    def claim(self, busy: Collection[int], decide: Decide | None = None) -> Claim:
        """A trial that is now this driver's, with its parameters, if there is one left.

        ``busy`` are the numbers that this driver has in hand already. WAITING trials do not
        count towards the total: they are what is asked for next. Where trials pause, ``decide``
        says what comes after those that a dead driver left.
        """
        with self._lease.claiming(), one_commit(storage_of(self._study)):
            trials = self._study.get_trials(deepcopy=False)
            running = [t for t in trials if t.state == TrialState.RUNNING and t.number not in busy]
            for frozen in running:
                if not (decide and is_paused(frozen)) and self._is_orphan(frozen):
                    return Claim(self._own(Trial(self._study, trial_id(frozen))), True, trials)
            may_start = self.may_start(trials)
            decision = decide(trials, may_start) if decide else None
            if isinstance(decision, Pause) or (decision is None and not may_start):
                return Claim(None, False, trials, decision)
            if decision and decision.number is not None:
                trial = self._promote(trials[decision.number], decision)
            else:
                trial = self._study.ask()
                failpoint("trial created")
            return Claim(self._own(trial), False, trials, decision)

    def claiming(self) -> AbstractContextManager[None]:
        """Within: no other driver of the study claims a trial."""
        return self._lease.claiming()

    def may_start(self, trials: Sequence[FrozenTrial]) -> int:
        """How many new trials the study may still get."""
        return max(0, self._plan.n_trials - len(self._counted(trials)))

    def has_total(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether as many have ended."""
        ended = sum(trial.state.is_finished() for trial in self._counted(trials))
        return ended >= self._plan.n_trials

    def _counted(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        return counted(towards_total(self._study.sampler, trials))

    def _promote(self, paused: FrozenTrial, step: Step) -> Trial:
        if paused.state.is_finished():
            return continue_as_new(self._study, paused, step)
        trial = Trial(self._study, trial_id(paused))
        record_step(trial, step)
        failpoint("promoted")
        return trial

    def retry_failed(self) -> list[int]:
        """Enqueues the parameters of each failed trial as a new one, once; their numbers."""
        with self._lease.claiming(), one_commit(storage_of(self._study)):
            trials = self._study.get_trials(deepcopy=False)
            retried = {trial.user_attrs.get(RETRY_OF) for trial in trials}
            failed = [t for t in trials if t.state == TrialState.FAIL and t.number not in retried]
            again = [trial for trial in failed if trial.params]  # not what was outside the space
            for trial in again:
                self._study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
                failpoint("retry enqueued")
        return [trial.number for trial in again]

    def rule_broken(self, trial: Trial) -> str | None:
        """Why the values that a user enqueued for ``trial`` are outside the space, in which case
        it has no parameters; None for any other trial."""
        parameters = {parameter.name: parameter for parameter in self._plan.space.parameters}
        for name, value in enqueued_params(trial).items():
            if name not in parameters:
                return f"{name!r} does not vary in this space"
            try:
                parameters[name].check(value)
            except SpaceError as error:
                return str(error)
        return self._condition_broken(enqueued_params(trial))

    def _condition_broken(self, given: Mapping[str, Any]) -> str | None:
        """Of a value that was given to a parameter that does not exist beside the others given."""
        for parameter in self._plan.space.parameters:
            known = parameter.condition.keys() <= given.keys()
            if parameter.name in given and known and not parameter.exists(given):
                return f"{parameter.name} exists{parameter.only_with().removeprefix(',')}"
        return None

    def keep(self) -> None:
        """To be called often: that this driver lives is seen by the others."""
        self._lease.keep()

    def is_anothers(self, frozen: FrozenTrial) -> bool:
        """Whether another driver took it over: it saw none here, as a cut network lets it."""
        return frozen.user_attrs.get(OWNER) != self._lease.driver

    def _is_orphan(self, frozen: FrozenTrial) -> bool:
        owner = frozen.user_attrs.get(OWNER, "")
        return owner == self._lease.driver or not self._lease.is_alive(owner)

    def _own(self, trial: Trial) -> Trial:
        trial.set_user_attr(OWNER, self._lease.driver)
        failpoint("trial owned")
        if self.rule_broken(trial) is None:
            draw(trial, self._plan.space)
        return trial


def record_step(trial: Trial, step: Step) -> None:
    """Records that ``trial``, which paused, is promoted: before any worker begins."""
    trial.set_user_attr(TARGET, step.target)
    failpoint("target recorded")
