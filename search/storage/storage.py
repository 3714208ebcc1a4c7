"""The study database: opened by URL, checked before any work starts."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from search.common.errors import StorageError, UserError, one_line
from search.common.layout import CONFIRMATION
from search.common.secrets import without_secrets
from search.storage.database import StudyDatabase, database_of
from search.storage.sqlite import fold_log, is_local, log_ahead

NOT_A_URL = (ArgumentError, NoSuchModuleError, ValueError)
Errors = tuple[type[Exception], ...]
BROKEN: Errors = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
UNUSABLE: Errors = (*BROKEN, OSError, RuntimeError)
TABLES_TRIES = 20
SECONDS_BETWEEN_TRIES = 0.2
REDIS = ("redis://", "rediss://")
SQLITE_WAIT_SECONDS = 120  # the dashboard reads, another driver writes: wait, don't fail


def open_storage(
    url: str,
    create: bool = True,
    sqlite_wait: float = SQLITE_WAIT_SECONDS,
) -> BaseStorage:
    """Return the storage at ``url`` (Optuna's own notation). Raises ``UserError`` if it cannot be
    opened.

    With ``create`` false, a SQLite file that does not exist is refused, not made. ``sqlite_wait``
    is how many seconds a locked file is waited for; signals are handled after that only.
    """
    with _one_line(url):
        return _open(url, create, sqlite_wait)


@contextmanager
def _one_line(url: str) -> Iterator[None]:
    """Return a context manager within which an error that keeps the storage at ``url`` from being
    opened is raised as ``UserError``."""
    shown = without_secrets(url)
    try:
        yield
    except UserError:
        raise
    except ImportError as error:
        raise UserError(
            f"the storage {shown!r} needs a database driver that is not installed: "
            f"{one_line(error.__cause__ or error)}; install it with pip or use sqlite:///…"
        ) from None
    except NOT_A_URL as error:
        cause = f" ({one_line(error)})" if isinstance(error, NoSuchModuleError) else ""
        raise UserError(
            f"--storage must be a database URL such as sqlite:///results/studies.db, "
            f"got {shown!r}{cause}"
        ) from None
    except UNUSABLE + _redis_errors() as error:
        raise UserError(
            f"cannot open the storage {shown!r}: {cause_of(error)}; check path, server and rights"
        ) from None


def _open(url: str, create: bool, sqlite_wait: float) -> BaseStorage:
    if is_journal(url):
        _check_file(Path(url), create)
        return JournalStorage(JournalFileBackend(url))
    if url.startswith(REDIS):
        with warnings.catch_warnings():  # Optuna calls it experimental; that is not the user's
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return JournalStorage(JournalRedisBackend(url))
    parsed = make_url(url)
    if "@" in (parsed.host or ""):
        raise UserError(
            f"--storage {without_secrets(url)!r} has a password with an @, which must be "
            "written %40 (and / as %2F, : as %3A)"
        )
    if parsed.get_backend_name() != "sqlite":
        return _with_tables(url, {"pool_pre_ping": True})
    _check_sqlite(url, parsed.database, create)
    return _with_tables(url, {"connect_args": {"timeout": sqlite_wait}})


@contextmanager
def watched(url: str) -> Iterator[None]:
    """Return a context manager within which a database failure is raised as ``StorageError``, with
    one line without password."""
    try:
        yield
    except BROKEN + _redis_errors() as error:
        cause = cause_of(error)
        damaged = any(words in cause for words in ("malformed", "not a database"))
        remedy = (
            "the file is damaged: restore a copy of it, or name another --storage"
            if damaged
            else "what was reported is kept; rerun to resume"
        )
        raise StorageError(
            f"the storage {without_secrets(url)!r} stopped working: {cause}; {remedy}"
        ) from error


def cause_of(error: BaseException) -> str:
    """Return what the database itself said, without the statement."""
    inner = error.__cause__ or error
    return one_line(getattr(inner, "orig", None) or inner)


def write_often(storage: BaseStorage) -> None:
    """Prepare a driver's many small writes: they do not wait for the disk."""
    database = database_of(storage)
    if database is not None:
        log_ahead(database.engine)


def leave(storage: BaseStorage) -> None:
    """Leave a driver's SQLite file as one plain file again."""
    database = database_of(storage)
    if database is not None:
        fold_log(database.engine)


def is_journal(url: str) -> bool:
    """Return whether ``url`` is the path of an Optuna journal file."""
    return url.endswith((".log", ".journal")) and "://" not in url


def open_if_there(url: str) -> BaseStorage | None:
    """Return the storage at ``url``, None where there is none yet: nothing is made, neither a file
    nor a table. Raises ``UserError`` if it cannot be opened."""
    if is_journal(url):
        return open_storage(url) if Path(url).exists() else None
    with _one_line(url):
        if not url.startswith(REDIS):
            parsed = make_url(url)
            is_file = parsed.get_backend_name() == "sqlite"
            if is_file and not Path(str(parsed.database)).is_file():
                return None
            engine = create_engine(parsed)
            try:
                if not inspect(engine).has_table("studies"):
                    return None
            finally:
                engine.dispose()
    return open_storage(url, create=False)


def is_local_file(url: str) -> bool:
    """Return whether the storage at ``url``, which can be opened, is a file that only this machine
    has."""
    if is_journal(url):
        return is_local(Path(url))
    if not url.startswith("sqlite"):
        return False
    return is_local(Path(str(make_url(url).database)))


def _redis_errors() -> Errors:
    try:
        from redis.exceptions import RedisError
    except ImportError:
        return ()
    return (RedisError,)


def _check_sqlite(url: str, database: str | None, create: bool) -> None:
    if not database or database == ":memory:":
        raise UserError(
            f"--storage must be a file or a server, got {without_secrets(url)!r}: it would be lost"
        )
    _check_file(Path(database), create)


def _check_file(path: Path, create: bool) -> None:
    if path.is_dir():
        raise UserError(f"--storage must name a file, got the folder {str(path)!r}")
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        raise UserError(f"no study database at {str(path)!r}; run a search first or name another")


def _with_tables(url: str, options: dict[str, Any]) -> StudyDatabase:
    """Two drivers that start at once on a new database both make its tables; one comes too late
    and tries again."""
    for _ in range(TABLES_TRIES):
        try:
            return StudyDatabase(url, engine_kwargs=options)
        except (OperationalError, ProgrammingError, IntegrityError) as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
            time.sleep(SECONDS_BETWEEN_TRIES)
    return StudyDatabase(url, engine_kwargs=options)


def load_study(name: str, url: str) -> optuna.Study:
    """Return an existing study. Raises ``UserError`` naming what exists otherwise."""
    storage = open_storage(url, create=False)
    names = sorted(optuna.get_all_study_names(storage))
    if name not in names:
        known = ", ".join(names[:10]) or "none"
        raise UserError(f"no study {name!r} in {without_secrets(url)!r} (there: {known})")
    return optuna.load_study(study_name=name, storage=storage)


def only_study(url: str) -> optuna.Study:
    """Return the one study of a storage, beside its re-evaluation. Raises ``UserError`` where there
    is none or a choice."""
    storage = open_storage(url, create=False)
    known = set(optuna.get_all_study_names(storage))
    names = sorted(known - {f"{name}{CONFIRMATION}" for name in known})
    if len(names) != 1:
        there = ", ".join(names[:10]) or "none"
        raise UserError(
            f"--study-name must be given: {without_secrets(url)!r} has {len(names)} studies "
            f"({there})"
        )
    return optuna.load_study(study_name=names[0], storage=storage)
