"""Re-evaluating a search's best settings, in a study whose trials follow from both records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.record.record import StudyRecord
from search.settings.open_study import open_study
from search.settings.plan import SearchPlan, TrialPlan
from search.settings.reevaluation import reevaluation_plan
from search.storage.lease import Lease
from search.strategy.reevaluation import (
    CONFIRMED,
    Reevaluation,
    Row,
    candidates,
    read_reevaluation,
)
from search.study.acquire import Claims
from search.study.events import Event, Note
from search.study.retrying import RetryingRunner
from trainers.failpoints import failpoint
from trainers.metrics import METRICS


def open_reevaluation(
    plan: SearchPlan,
    searched: Study,
    storage: BaseStorage,
    leases: ExitStack,
    observe: Callable[[Event], None],
) -> RetryingRunner | None:
    """Return the runner that re-evaluates the search of ``plan``, whose study ``searched`` is met;
    None where there is nothing to re-evaluate. Its lease becomes one of ``leases``."""
    trials = searched.get_trials(deepcopy=False)
    metric = METRICS[plan.objectives[0]]
    if plan.record.reevaluation is None or not candidates(plan.record, trials, metric):
        return None
    confirming = reevaluation_plan(plan)
    lease = leases.enter_context(Lease(confirming.folder, storage))
    study = open_study(confirming, storage, lease)
    claims = ReevaluationClaims(study, lease, confirming, plan.record, trials)
    runner = RetryingRunner(study, confirming, lease, observe, claims)
    if not runner.is_met():
        facts = plan.record.reevaluation
        best = "setting" if facts.settings == 1 else f"{facts.settings} settings"
        words = f"the best {best} and the baseline with new seeds, {len(facts.judging)} of them"
        observe(Note(f"re-evaluation: {words} evaluation seeds; study {study.study_name!r}"))
    return runner


class ReevaluationClaims(Claims):
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

    def start(self, trials: Sequence[FrozenTrial]) -> Trial | None:
        """Return the trial to start. What is enqueued comes first: with one worker the trials have
        the same numbers, however often it was killed."""
        if not self._enqueued(trials):
            row = next(self._without_trial(trials), None)
            if row is None:
                return None
            params = self._read(trials).params(row)
            self._study.enqueue_trial(params, user_attrs={CONFIRMED: row.trial})
            failpoint("row enqueued")
        return super().start(self._study.get_trials(deepcopy=False))

    def may_start(self, trials: Sequence[FrozenTrial]) -> int:
        return self._enqueued(trials)

    def has_total(self, trials: Sequence[FrozenTrial]) -> bool:
        return not self._read(trials).to_come()

    def _enqueued(self, trials: Sequence[FrozenTrial]) -> int:
        return sum(trial.state == TrialState.WAITING for trial in trials)

    def _without_trial(self, trials: Sequence[FrozenTrial]) -> Iterator[Row]:
        """Yield the rows that are needed and have no trial yet."""
        found = self._read(trials)
        return (row for row in found.to_come() if not found.trials_of(row))

    def _read(self, trials: Sequence[FrozenTrial]) -> Reevaluation:
        found = read_reevaluation(self._record, self._searched, trials)
        assert found is not None  # it is confirmed
        return found
