"""Acquiring trials of a study, such that no two drivers ever train the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.record.trials import (
    CONTINUES,
    ENDED_BY,
    PAUSED,
    REASON,
    RETRY_OF,
    TARGET,
    counted,
    is_paused,
    other_trial,
)
from search.settings.plan import TrialPlan
from search.storage.database import one_commit
from search.storage.lease import Lease
from search.storage.optuna_internals import storage_of, trial_attribute, trial_id
from search.strategy.distributions import draw, enqueued_fault
from search.strategy.grid import towards_total
from search.strategy.promotion import Pause, Step
from trainers.failpoints import failpoint

OWNER = "driver"
# Attributes that a trial does not share with the one that resumes it.
OF_ONE_TRIAL = (REASON, ENDED_BY, OWNER, RETRY_OF, TARGET, PAUSED)


@dataclass(frozen=True)
class Claim:
    """``trial`` is None where none is left; ``left_behind``: by a dead driver. ``trials`` are all
    of the study, of other drivers too, as they were just before. ``step`` is the promotion rule's,
    where it was asked."""

    trial: Trial | None
    trials: Sequence[FrozenTrial]
    step: Step | Pause | None = None
    left_behind: bool = False

    def others(self) -> list[FrozenTrial]:
        """Returns all trials but the one that is claimed, and the one that it resumes."""
        claimed: set[int | None] = set() if self.trial is None else {self.trial.number}
        if isinstance(self.step, Step):
            claimed.add(self.step.number)
        return [trial for trial in self.trials if trial.number not in claimed]


class Claims:
    """One driver's claims to trials of a study. New ones begin up to the study's total; WAITING
    trials do not count towards it: they are what is asked for next."""

    def __init__(self, study: Study, lease: Lease, plan: TrialPlan):
        self._study = study
        self._lease = lease
        self._plan = plan

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Return a context manager within which no other driver of the study claims a trial, and
        all is written at once."""
        with self._lease.claiming(), one_commit(storage_of(self._study)):
            yield

    # -- each of these is asked within ``alone`` ---------------------------------------------------

    def left_behind(
        self, trials: Sequence[FrozenTrial], busy: Collection[int], pauses: bool
    ) -> Trial | None:
        """Returns the first trial that nobody works on any more, though it has not ended. ``busy``
        are the numbers of those at work here; where trials pause, a paused one is not meant."""
        for frozen in trials:
            running = frozen.state == TrialState.RUNNING and frozen.number not in busy
            if running and not (pauses and is_paused(frozen)) and self._is_orphan(frozen):
                return self._own(Trial(self._study, trial_id(frozen)))
        return None

    def start(self, trials: Sequence[FrozenTrial]) -> Trial | None:
        """Returns a new trial with its parameters; None where the study has its total."""
        if not self.may_start(trials):
            return None
        trial = self._study.ask()
        failpoint("trial created")
        return self._own(trial)

    def resume(self, frozen: FrozenTrial, target: int) -> Trial:
        """Returns a trial that continues ``frozen`` to epoch ``target``, known before a worker
        begins: a paused one itself, a finished one as a new trial, since it has ended once."""
        if frozen.state.is_finished():
            return self._own(self._continue_as_new(frozen, target))
        trial = Trial(self._study, trial_id(frozen))
        trial.set_user_attr(TARGET, target)
        failpoint("target recorded")
        failpoint("promoted")
        return self._own(trial)

    def _continue_as_new(self, ended: FrozenTrial, target: int) -> Trial:
        """Returns the new trial, RUNNING, with all that ``ended`` has reported: made in one write,
        whatever the storage, so that no crash leaves a part of it."""
        shared = {k: value for k, value in ended.user_attrs.items() if k not in OF_ONE_TRIAL}
        new = create_trial(
            state=TrialState.RUNNING,
            params=ended.params,
            distributions=ended.distributions,
            user_attrs={**shared, CONTINUES: ended.number, TARGET: target},
            intermediate_values=ended.intermediate_values,
        )
        self._study.add_trial(new)
        failpoint("trial continued")
        trials = self._study.get_trials(deepcopy=False)
        found = [t for t in trials if t.user_attrs.get(CONTINUES) == ended.number]
        return Trial(self._study, trial_id(found[-1]))

    def _own(self, trial: Trial) -> Trial:
        """Makes the trial this driver's and draws what parameters it lacks."""
        trial.set_user_attr(OWNER, self._lease.driver)
        failpoint("trial owned")
        if enqueued_fault(trial, self._plan.space) is None:
            draw(trial, self._plan.space)
        return trial

    def _is_orphan(self, frozen: FrozenTrial) -> bool:
        owner = frozen.user_attrs.get(OWNER, "")
        return owner == self._lease.driver or not self._lease.is_alive(owner)

    # --------------------------------------------------------------------------------------------

    def may_start(self, trials: Sequence[FrozenTrial]) -> int:
        """Returns how many new trials the study may still get."""
        return max(0, self._plan.n_trials - len(self._counted(trials)))

    def has_total(self, trials: Sequence[FrozenTrial]) -> bool:
        """Returns whether as many have ended."""
        ended = sum(trial.state.is_finished() for trial in self._counted(trials))
        return ended >= self._plan.n_trials

    def _counted(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        return counted(towards_total(self._study.sampler, trials))

    def retry_failed(self) -> list[int]:
        """Enqueues each failed trial's parameters as a new one, once; returns their numbers."""
        with self.alone():
            trials = self._study.get_trials(deepcopy=False)
            retried = {other_trial(trial, RETRY_OF) for trial in trials}
            failed = [t for t in trials if t.state == TrialState.FAIL and t.number not in retried]
            again = [trial for trial in failed if trial.params]  # not what was outside the space
            for trial in again:
                self._study.enqueue_trial(trial.params, user_attrs={RETRY_OF: trial.number})
                failpoint("retry enqueued")
        return [trial.number for trial in again]

    def is_lost(self, trial: Trial) -> bool:
        """Returns whether another driver took the trial over, as it may where a network was cut and
        it saw none here. It costs one look at the storage."""
        return trial_attribute(trial, OWNER) != self._lease.driver

    def keep(self) -> None:
        """Shows the other drivers that this one lives; to be called often."""
        self._lease.keep()
