"""Optuna's relational storage, faster where a search waits for it.

Tables, locks and behaviour are Optuna's own. Trials are read as plain rows, not as mapped
objects: opening a study of 10,000 trials reads half a million rows. And what belongs together is
written in one transaction: each transaction of its own would wait for the disk.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages import BaseStorage, RDBStorage, _CachedStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, String, Table, or_, select, type_coerce
from sqlalchemy.orm import Session, scoped_session, sessionmaker

NOT_FINITE = {"NAN": math.nan, "INF_POS": math.inf, "INF_NEG": -math.inf}

_HEADS = models.TrialModel.__table__
_PARAMS = models.TrialParamModel.__table__
_VALUES = models.TrialValueModel.__table__
_STEPS = models.TrialIntermediateValueModel.__table__
_USER_ATTRS = models.TrialUserAttributeModel.__table__
_SYSTEM_ATTRS = models.TrialSystemAttributeModel.__table__


class StudyDatabase(RDBStorage):
    """To be used by one thread."""

    _joined = False  # within ``one_commit``

    @contextmanager
    def one_commit(self) -> Iterator[None]:
        """Within: all that is written is committed at the end, together, or not at all. One
        inside another is part of it."""
        if self._joined:
            yield
            return
        sessions = self.scoped_session
        with self.engine.begin() as connection:
            joined = sessionmaker(bind=connection, join_transaction_mode="rollback_only")
            self.scoped_session, self._joined = scoped_session(joined), True
            try:
                yield
            finally:
                self.scoped_session, self._joined = sessions, False

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """As the parent's: trials by id above ``trial_id_greater_than``, and those included."""
        wanted: ColumnElement[bool] = _HEADS.c.study_id == study_id
        if states is not None:
            assert isinstance(states, Iterable)
            wanted &= _HEADS.c.state.in_(states)
        if trial_id_greater_than > -1:
            known = [i for i in included_trial_ids if i <= trial_id_greater_than]
            newer = _HEADS.c.trial_id > trial_id_greater_than
            wanted &= or_(newer, _HEADS.c.trial_id.in_(known)) if known else newer
        with _create_scoped_session(self.scoped_session) as session:
            trials = _read_trials(session, wanted)
            if not trials:  # raises where there is no such study
                models.StudyModel.find_or_raise_by_id(study_id, session)
        return trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with _create_scoped_session(self.scoped_session) as session:
            trials = _read_trials(session, _HEADS.c.trial_id == trial_id)
            if not trials:
                models.TrialModel.find_or_raise_by_id(trial_id, session)
        return trials[0]


def commits_together(storage: BaseStorage) -> bool:
    """Whether ``one_commit`` holds for a study's storage; an Optuna journal has nothing like it."""
    return _database(storage) is not None


@contextmanager
def one_commit(storage: BaseStorage) -> Iterator[None]:
    """``StudyDatabase.one_commit`` of a study's storage; nothing where it is of another kind."""
    database = _database(storage)
    if database is None:
        yield
        return
    try:
        with database.one_commit():
            yield
    except BaseException:
        _forget(storage)
        raise


def _database(storage: BaseStorage) -> StudyDatabase | None:
    """What lies behind the cache that Optuna puts before it."""
    backend = getattr(storage, "_backend", None)
    return backend if isinstance(backend, StudyDatabase) else None


def _forget(storage: BaseStorage) -> None:
    """The cache remembers what was written, also when that was not committed in the end."""
    assert isinstance(storage, _CachedStorage)
    storage._studies.clear()
    storage._trial_id_to_study_id_and_number.clear()
    storage._study_id_and_number_to_trial_id.clear()


def _read_trials(session: Session, wanted: ColumnElement[bool]) -> list[FrozenTrial]:
    """The trials that ``wanted`` holds for, by id."""
    columns = ("trial_id", "number", "state", "datetime_start", "datetime_complete")
    query = select(*(_HEADS.c[name] for name in columns)).where(wanted)
    heads = session.execute(query.order_by(_HEADS.c.trial_id)).all()
    if not heads:
        return []
    parts = _Parts(session, wanted, [head.trial_id for head in heads])
    return [
        FrozenTrial(
            number=head.number,
            state=head.state,
            value=None,
            values=parts.values.get(head.trial_id),
            datetime_start=head.datetime_start,
            datetime_complete=head.datetime_complete,
            params=parts.params[head.trial_id],
            distributions=parts.distributions[head.trial_id],
            user_attrs=parts.user_attrs[head.trial_id],
            system_attrs=parts.system_attrs[head.trial_id],
            intermediate_values=parts.steps[head.trial_id],
            trial_id=head.trial_id,
        )
        for head in heads
    ]


class _Parts:
    """What belongs to the trials that ``wanted`` holds for, each by the trial's id."""

    def __init__(self, session: Session, wanted: ColumnElement[bool], ids: list[int]):
        few = len(ids) <= 100
        self._session = session
        self._ids = ids if few else select(_HEADS.c.trial_id).where(wanted)
        self.params: dict[int, dict[str, Any]] = defaultdict(dict)
        self.distributions: dict[int, dict[str, BaseDistribution]] = defaultdict(dict)
        self._read_params()
        self.values = self._read_values()
        self.steps = self._read_steps()
        self.user_attrs = self._read_attributes(_USER_ATTRS)
        self.system_attrs = self._read_attributes(_SYSTEM_ATTRS)

    def _rows(self, table: Table, *columns: str | ColumnElement[Any]) -> Iterable[Any]:
        """``trial_id`` and ``columns`` of the trials' rows in ``table``, in their own order."""
        chosen = [table.c[column] if isinstance(column, str) else column for column in columns]
        query = select(table.c.trial_id, *chosen).where(table.c.trial_id.in_(self._ids))
        return self._session.execute(query.order_by(*table.primary_key))

    def _read_params(self) -> None:
        parsed = cache(json_to_distribution)
        for trial_id, name, value, text in self._rows(
            _PARAMS, "param_name", "param_value", "distribution_json"
        ):
            distribution = parsed(text)
            self.params[trial_id][name] = distribution.to_external_repr(value)
            self.distributions[trial_id][name] = distribution

    def _read_values(self) -> dict[int, list[float]]:
        found: dict[int, dict[int, float]] = defaultdict(dict)
        kind = type_coerce(_VALUES.c.value_type, String)
        for trial_id, objective, value, name in self._rows(_VALUES, "objective", "value", kind):
            found[trial_id][objective] = _number(value, name)
        return {i: [values[o] for o in sorted(values)] for i, values in found.items()}

    def _read_steps(self) -> dict[int, dict[int, float]]:
        found: dict[int, dict[int, float]] = defaultdict(dict)
        kind = type_coerce(_STEPS.c.intermediate_value_type, String)
        for trial_id, step, value, name in self._rows(_STEPS, "step", "intermediate_value", kind):
            found[trial_id][step] = _number(value, name)
        return found

    def _read_attributes(self, table: Table) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = defaultdict(dict)
        for trial_id, key, text in self._rows(table, "key", "value_json"):
            found[trial_id][key] = json.loads(text)
        return found


def _number(value: float | None, kind: str) -> float:
    return NOT_FINITE[kind] if value is None else value
