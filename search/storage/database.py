"""Optuna's relational storage, faster where a search waits for it.

Tables, locks and behaviour are Optuna's own. What belongs together is written in one transaction:
each of its own would wait for the disk. And paused trials are not read again while they pause.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from sqlalchemy.orm import scoped_session, sessionmaker

from search.storage.optuna_internals import RelationalStorage, behind_cache, renew_cache
from search.storage.paused_trials import PausedTrials


class StudyDatabase(RelationalStorage):
    """Optuna's storage, for use by one thread."""

    _joined = False  # within ``one_commit``
    _paused: PausedTrials | None = None

    def keep_paused(self, paused: PausedTrials) -> None:
        """Read paused trials once only from now on."""
        self._paused = paused

    @contextmanager
    def one_commit(self) -> Iterator[None]:
        """Return a context manager within which all that is written is committed at the end,
        together, or not at all. One inside another is part of it."""
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

    def take_in(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        if self._paused:
            self._paused.keep(trials)
        return trials

    def unchanged(self, study_id: int) -> Mapping[int, FrozenTrial]:
        if self._paused is None:
            return {}
        with self.session() as session:
            return self._paused.unchanged(session, study_id)

    def forget(self) -> None:
        """Forget what was read since the last commit: it may not be so."""
        if self._paused:
            self._paused.forget()


def database_of(storage: BaseStorage) -> StudyDatabase | None:
    """Return the database that ``storage`` is, or that lies behind a study's; None for another
    kind."""
    found = behind_cache(storage) or storage
    return found if isinstance(found, StudyDatabase) else None


@contextmanager
def one_commit(storage: BaseStorage) -> Iterator[None]:
    """Run the block in ``StudyDatabase.one_commit`` of a study's storage; without it where the
    storage is of another kind, such as an Optuna journal, which has nothing like it."""
    database = database_of(storage)
    if database is None:
        yield
        return
    try:
        with database.one_commit():
            yield
    except BaseException:
        database.forget()
        renew_cache(storage)
        raise
