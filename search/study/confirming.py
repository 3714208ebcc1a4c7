"""Claims of a study that confirms another one's best: its trials follow from both records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.record.record import StudyRecord
from search.settings.confirming import confirmation_plan
from search.settings.open_study import open_study
from search.settings.plan import SearchPlan, TrialPlan
from search.storage.lease import Lease
from search.strategy.confirmed import (
    CONFIRMED,
    Confirmation,
    candidates,
    read_confirmation,
)
from search.study.acquire import Claim, Claims, Decide
from search.study.events import Event, Note
from search.study.retrying import RetryingRunner
from trainers.failpoints import failpoint
from trainers.metrics import METRICS


def open_confirmation(
    plan: SearchPlan,
    searched: Study,
    storage: BaseStorage,
    leases: ExitStack,
    observe: Callable[[Event], None],
) -> RetryingRunner | None:
    """The runner of what confirms the search of ``plan``, whose study ``searched`` is met; None
    where there is nothing to confirm. Its lease becomes one of ``leases``."""
    trials = searched.get_trials(deepcopy=False)
    metric = METRICS[plan.objectives[0]]
    if plan.record.confirmation is None or not candidates(plan.record, trials, metric):
        return None
    confirming = confirmation_plan(plan)
    lease = leases.enter_context(Lease(confirming.folder, storage))
    study = open_study(confirming, storage, lease)
    claims = ConfirmationClaims(study, lease, confirming, plan.record, trials)
    runner = RetryingRunner(study, confirming, lease, observe, claims)
    if not runner.is_met():
        facts = plan.record.confirmation
        best = "setting" if facts.settings == 1 else f"{facts.settings} settings"
        words = f"the best {best} and the recipe with fresh seeds, {len(facts.judging)} of which"
        observe(Note(f"confirmation: {words} judge; study {study.study_name!r}"))
    return runner


class ConfirmationClaims(Claims):
    """Enqueues one row after the other as it is needed. ``record`` and ``searched`` are the
    search's, whose total is met."""

    def __init__(
        self,
        study: Study,
        lease: Lease,
        plan: TrialPlan,
        record: StudyRecord,
        searched: Sequence[FrozenTrial],
    ):
        super().__init__(study, lease, plan)
        self._record = record
        self._searched = searched

    def claim(self, busy: Collection[int], decide: Decide | None = None) -> Claim:
        """What a dead driver left and what is enqueued come first: with one worker the trials have
        the same numbers, however often it was killed."""
        claim = super().claim(busy, decide)
        if claim.trial is None and self._enqueue():
            return super().claim(busy, decide)
        return claim

    def may_start(self, trials: Sequence[FrozenTrial]) -> int:
        """What is enqueued."""
        return sum(trial.state == TrialState.WAITING for trial in trials)

    def has_total(self, trials: Sequence[FrozenTrial]) -> bool:
        return not self._read(trials).to_come()

    def _enqueue(self) -> bool:
        """Whether there is a row that is needed and had no trial: the first of them has one now."""
        with self.claiming():
            confirmation = self._read(self._study.get_trials(deepcopy=False))
            for row in confirmation.to_come():
                if not confirmation.trials_of(row):
                    whose = {CONFIRMED: row.trial}
                    self._study.enqueue_trial(confirmation.params(row), user_attrs=whose)
                    failpoint("row enqueued")
                    return True
        return False

    def _read(self, trials: Sequence[FrozenTrial]) -> Confirmation:
        found = read_confirmation(self._record, self._searched, trials)
        assert found is not None  # it is confirmed
        return found
