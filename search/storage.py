"""The study database: opened by URL, checked before any work starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from search.errors import UserError, one_line

SQLITE_WAIT_SECONDS = 120  # the dashboard reads, another driver writes: wait, don't fail


def open_storage(url: str, create: bool = True) -> BaseStorage:
    """The storage at ``url`` (Optuna's own notation). Raises ``UserError`` if it cannot be opened.

    With ``create`` false, a SQLite file that does not exist is refused, not made.
    """
    try:
        if url.endswith((".log", ".journal")) and "://" not in url:
            return JournalStorage(JournalFileBackend(url))
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            _check_sqlite_file(url, parsed.database, create)
            return RDBStorage(url, engine_kwargs=_sqlite_options())
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise UserError(
            f"--storage must be a database URL such as sqlite:///results/studies.db, "
            f"got {hide_password(url)!r} ({one_line(error)})"
        ) from None
    except (SQLAlchemyError, OSError, optuna.exceptions.StorageInternalError) as error:
        cause = one_line(getattr(error, "orig", None) or error.__cause__ or error)
        raise UserError(
            f"cannot open the storage {hide_password(url)!r}: {cause}; "
            "check path, server and rights"
        ) from None


def _check_sqlite_file(url: str, database: str | None, create: bool) -> None:
    if not database or database == ":memory:":
        raise UserError(f"--storage must be a file or a server, got {url!r}: it would be lost")
    path = Path(database)
    if path.is_dir():
        raise UserError(f"--storage must name a file, got the folder {str(path)!r}")
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.exists():
        raise UserError(f"no study database at {str(path)!r}; run a search first or name another")


def _sqlite_options() -> dict[str, Any]:
    return {"connect_args": {"timeout": SQLITE_WAIT_SECONDS}}


def hide_password(url: str) -> str:
    """``url`` as it may be printed."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url if "@" not in url else f"…@{url.rsplit('@', 1)[1]}"


def load_study(name: str, url: str) -> optuna.Study:
    """An existing study. Raises ``UserError`` naming what exists otherwise."""
    storage = open_storage(url, create=False)
    names = sorted(optuna.get_all_study_names(storage))
    if name not in names:
        known = ", ".join(names[:10]) or "none"
        raise UserError(f"no study {name!r} in {hide_password(url)!r} (there: {known})")
    return optuna.load_study(study_name=name, storage=storage)
