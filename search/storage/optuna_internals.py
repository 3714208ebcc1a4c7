"""What is used of Optuna's insides and of Optuna Dashboard's. Nothing else touches them.

``tests/search/storage/test_optuna_internals.py`` says, name by name, what is relied on.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Container, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, cast

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

# -- studies and trials ------------------------------------------------------------------------


def storage_of(study: Study) -> BaseStorage:
    """Where ``study`` is kept, behind Optuna's cache if it is a database."""
    return study._storage


def is_stored(study: Study) -> bool:
    """Whether its storage still has it, and not another one under its name."""
    try:
        return study._storage.get_study_id_from_name(study.study_name) == study._study_id
    except KeyError:
        return False


def study_attributes(study: Study) -> dict[str, Any]:
    """What Optuna and its dashboard keep beside the user's own attributes."""
    return study._storage.get_study_system_attrs(study._study_id)


def set_study_attribute(study: Study, key: str, value: Any) -> None:
    study._storage.set_study_system_attr(study._study_id, key, value)


def trial_id(trial: Trial | FrozenTrial) -> int:
    """Its number among the trials of all studies of its storage."""
    return trial._trial_id


def reported_values(trial: Trial) -> dict[int, float]:
    """Step → value, as the storage has them."""
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
    """``trial`` remembers what it reported, also when that was not committed in the end."""
    trial._cached_frozen_trial.intermediate_values.pop(step, None)


def suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    """As ``trial.suggest_float`` and its kin, for any distribution. What is enqueued may lie
    outside of it, as the baseline's value does outside of a narrowed interval."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Fixed parameter .* is out of range")
        return trial._suggest(name, distribution)


def enqueued_params(trial: Trial | FrozenTrial) -> dict[str, Any]:
    """What ``study.enqueue_trial`` fixed; empty for any other trial."""
    frozen = trial if isinstance(trial, FrozenTrial) else trial._cached_frozen_trial
    return frozen.system_attrs.get("fixed_params", {})


def with_trials(study: Study, trials: list[FrozenTrial]) -> Study:
    """``study`` as a sampler sees it that is to know of ``trials`` alone."""
    return cast(Study, _View(study, trials))


class _View:
    """Everything else is the study's own."""

    def __init__(self, study: Study, trials: list[FrozenTrial]):
        self._study = study
        self._trials = trials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)

    def get_trials(self, deepcopy: bool = True) -> list[FrozenTrial]:
        """What this package's own samplers call."""
        return self._get_trials(deepcopy)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """What samplers call; they change nothing, so nothing is copied."""
        return [trial for trial in self._trials if states is None or trial.state in states]


# -- the relational storage --------------------------------------------------------------------

TRIALS = models.TrialModel.__table__
PARAMS = models.TrialParamModel.__table__
VALUES = models.TrialValueModel.__table__
REPORTS = models.TrialIntermediateValueModel.__table__
USER_ATTRIBUTES = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRIBUTES = models.TrialSystemAttributeModel.__table__
MOST_BY_ID = 1000  # trials that a statement names; SQLite takes some 30,000


class RelationalStorage(RDBStorage):
    """Optuna's, whose reading of many trials a subclass replaces."""

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        of_study: ColumnElement[bool] = TRIALS.c.study_id == study_id
        newer = of_study & (TRIALS.c.trial_id > trial_id_greater_than)
        known = {i for i in included_trial_ids if i <= trial_id_greater_than}
        with self.session() as session:
            models.StudyModel.find_or_raise_by_id(study_id, session)
            if states is not None:
                assert isinstance(states, Iterable)
                return self.read(session, of_study & TRIALS.c.state.in_(states))
            if unchanged := self.unchanged(session, study_id):
                ids = known.union(session.scalars(select(TRIALS.c.trial_id).where(newer)))
                if len(changed := ids - unchanged.keys()) <= MOST_BY_ID:
                    read = self.read(session, TRIALS.c.trial_id.in_(changed))
                    same = (unchanged[i] for i in ids & unchanged.keys())
                    return sorted([*read, *same], key=trial_id)
            return self.read(session, or_(newer, TRIALS.c.trial_id.in_(known)) if known else newer)

    def read(self, session: Session, wanted: ColumnElement[bool]) -> list[FrozenTrial]:
        """The trials that ``wanted`` holds for, by id."""
        raise NotImplementedError

    def unchanged(self, session: Session, study_id: int) -> Mapping[int, FrozenTrial]:
        """Unfinished trials that need not be read again, by id."""
        return {}

    def session(self) -> AbstractContextManager[Session]:
        return _create_scoped_session(self.scoped_session)


def behind_cache(storage: BaseStorage) -> BaseStorage | None:
    """What lies behind the cache that Optuna puts before a database; None where there is none."""
    return getattr(storage, "_backend", None)


def renew_cache(storage: BaseStorage) -> None:
    """The cache remembers what was written, also when that was not committed in the end."""
    backend = behind_cache(storage)
    if backend is not None:
        vars(storage).update(vars(get_storage(backend)))


# -- what the dashboard reads from a study's attributes ----------------------------------------

OBJECTIVE_NAMES = "dashboard:objective_names"
