"""What is used of Optuna's insides and of Optuna Dashboard's. Nothing else touches them.

``tests/search/storage/test_optuna_internals.py`` says, name by name, what is relied on.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Container, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import select
from sqlalchemy.orm import Session

# -- studies and trials ------------------------------------------------------------------------


def storage_of(study: Study) -> BaseStorage:
    """Return where ``study`` is kept, behind Optuna's cache if it is a database."""
    return study._storage


def is_stored(study: Study) -> bool:
    """Return whether its storage still has it, and not another one under its name."""
    try:
        return study._storage.get_study_id_from_name(study.study_name) == study._study_id
    except KeyError:
        return False


def study_attributes(study: Study) -> dict[str, Any]:
    """Return what Optuna and its dashboard keep beside the user's own attributes."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_attribute(study: Study, key: str, value: Any) -> None:
    study._storage.set_study_system_attr(study._study_id, key, value)


def trial_id(trial: Trial | FrozenTrial) -> int:
    """Return a trial's number among the trials of all studies of its storage."""
    return trial._trial_id


def reported_values(trial: Trial) -> dict[int, float]:
    """Return step → value, as the storage has them."""
    return trial.storage.get_trial(trial._trial_id).intermediate_values


def trial_attribute(trial: Trial, key: str) -> Any:
    """Returns an attribute of ``trial`` as the storage has it now, None where it has none. Raises
    ``KeyError`` where the trial is gone. In a database that costs one short statement."""
    database = behind_cache(trial.storage)
    if isinstance(database, RDBStorage):
        of_trial = USER_ATTRIBUTES.c.trial_id == trial._trial_id
        query = select(USER_ATTRIBUTES.c.value_json).where(of_trial, USER_ATTRIBUTES.c.key == key)
        with _create_scoped_session(database.scoped_session) as session:
            found = session.scalar(query)
        if found is not None:
            return json.loads(found)
    return trial.storage.get_trial(trial._trial_id).user_attrs.get(key)


def forget_report(trial: Trial, step: int) -> None:
    """Clear what ``trial`` remembers of its reports: it does so also when they were not committed
    in the end."""
    trial._cached_frozen_trial.intermediate_values.pop(step, None)


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """Suggest as ``trial.suggest_float`` and its kin do, for any distribution. What is enqueued may
    lie outside of it, as the baseline's value does outside of a narrowed interval."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fixed parameter .* is out of range")
        return trial._suggest(name, distribution)


def enqueued_params(trial: Trial | FrozenTrial) -> dict[str, Any]:
    """Return what ``study.enqueue_trial`` fixed; empty for any other trial."""
    frozen = trial if isinstance(trial, FrozenTrial) else trial._cached_frozen_trial
    return frozen.system_attrs.get("fixed_params", {})


def with_trials(study: Study, trials: list[FrozenTrial]) -> Study:
    """Return ``study`` as seen by a sampler that is to know of ``trials`` alone."""
    return cast(Study, _View(study, trials))


class _View:
    """Everything else is the study's own."""

    def __init__(self, study: Study, trials: list[FrozenTrial]):
        self._study = study
        self._trials = trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        """Return the trials, as this package's own samplers ask for them."""
        return self._get_trials(deepcopy)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """Return the trials for samplers; they change nothing, so nothing is copied."""
        return [trial for trial in self._trials if states is None or trial.state in states]


# -- the relational storage --------------------------------------------------------------------

TRIALS = models.TrialModel.__table__
PARAMS = models.TrialParamModel.__table__
VALUES = models.TrialValueModel.__table__
REPORTS = models.TrialIntermediateValueModel.__table__
USER_ATTRIBUTES = models.TrialUserAttributeModel.__table__
MOST_BY_ID = 1000  # trials that a statement names; SQLite takes some 30,000


class RelationalStorage(RDBStorage):
    """Optuna's storage, which reads a study's unfinished trials again whenever all are asked for; a
    subclass may know of some that they have not changed."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        known, above = included_trial_ids, trial_id_greater_than
        unchanged = self.unchanged(study_id) if states is None else {}
        if unchanged:
            newer = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
            with self.session() as session:
                ids = known.union(session.scalars(newer.where(TRIALS.c.trial_id > above)))
            changed = ids - unchanged.keys()
            if len(changed) <= MOST_BY_ID:
                read = super()._get_trials(study_id, states, changed, max(above, *ids))
                same = [unchanged[i] for i in ids & unchanged.keys()]
                return sorted([*self.take_in(read), *same], key=trial_id)
        return self.take_in(super()._get_trials(study_id, states, known, above))

    def unchanged(self, study_id: int) -> Mapping[int, FrozenTrial]:
        """Returns unfinished trials that need not be read again, by id."""
        return {}

    def take_in(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Returns ``trials``, which were read just now."""
        return trials

    def session(self) -> AbstractContextManager[Session]:
        return _create_scoped_session(self.scoped_session)


def behind_cache(storage: BaseStorage) -> BaseStorage | None:
    """Return what lies behind the cache that Optuna puts before a database; None where there is
    none."""
    return getattr(storage, "_backend", None)


def renew_cache(storage: BaseStorage) -> None:
    """Renew the cache, which remembers what was written also when that was not committed in the
    end."""
    backend = behind_cache(storage)
    if backend is not None:
        vars(storage).update(vars(get_storage(backend)))


# -- what the dashboard reads from a study's attributes ----------------------------------------

OBJECTIVE_NAMES = "dashboard:objective_names"
