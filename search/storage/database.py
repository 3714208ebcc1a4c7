"""Optuna's relational storage, faster where a search waits for it.

Tables, locks and behaviour are Optuna's own. Trials are read as plain rows, not as mapped
objects: opening a study of 10,000 trials reads half a million rows. And what belongs together is
written in one transaction: each transaction of its own would wait for the disk.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.storages import BaseStorage, RDBStorage, _CachedStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import ColumnElement, Table, delete, insert, or_, select
from sqlalchemy.orm import scoped_session, sessionmaker

from search.storage.trial_rows import HEADS, STEPS, USER_ATTRS, read_trials


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

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
        number, kind = stored(intermediate_value)
        row = {"step": step, "intermediate_value": number, "intermediate_value_type": kind}
        self._replace(STEPS, trial_id, "step", [row])

    def set_trial_user_attrs(self, trial_id: int, attrs: Mapping[str, Any]) -> None:
        """As ``set_trial_user_attr`` for each."""
        rows = [{"key": key, "value_json": json.dumps(value)} for key, value in attrs.items()]
        self._replace(USER_ATTRS, trial_id, "key", rows)

    def _replace(
        self, table: Table, trial_id: int, column: str, rows: Sequence[dict[str, Any]]
    ) -> None:
        """Writes ``rows`` of a trial that has not ended, over those equal in ``column``."""
        with _create_scoped_session(self.scoped_session, True) as session:
            query = select(HEADS.c.state).where(HEADS.c.trial_id == trial_id)
            state = session.execute(query).scalar_one_or_none()
            if state is None:
                raise KeyError(models.NOT_FOUND_MSG)
            self.check_trial_is_updatable(trial_id, state)
            same = table.c[column].in_([row[column] for row in rows])
            session.execute(delete(table).where(table.c.trial_id == trial_id, same))
            session.execute(insert(table), [{"trial_id": trial_id, **row} for row in rows])

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """As the parent's: trials by id above ``trial_id_greater_than``, and those included."""
        wanted: ColumnElement[bool] = HEADS.c.study_id == study_id
        if states is not None:
            assert isinstance(states, Iterable)
            wanted &= HEADS.c.state.in_(states)
        if trial_id_greater_than > -1:
            known = [i for i in included_trial_ids if i <= trial_id_greater_than]
            newer = HEADS.c.trial_id > trial_id_greater_than
            wanted &= or_(newer, HEADS.c.trial_id.in_(known)) if known else newer
        with _create_scoped_session(self.scoped_session) as session:
            trials = read_trials(session, wanted)
            if not trials:  # raises where there is no such study
                models.StudyModel.find_or_raise_by_id(study_id, session)
        return trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        with _create_scoped_session(self.scoped_session) as session:
            trials = read_trials(session, HEADS.c.trial_id == trial_id)
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


def set_user_attrs(trial: Trial, attrs: Mapping[str, Any]) -> None:
    """User attributes of ``trial``; one after the other where the storage is of another kind."""
    database = _database(trial.storage)
    if database is None:
        for key, value in attrs.items():
            trial.set_user_attr(key, value)
    else:
        database.set_trial_user_attrs(trial._trial_id, attrs)


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
