"""Session locks of a database server, which it gives back when their connection ends.

They need no disk that all drivers see, nor one whose file locks work. A connection is lost without
its driver where the server is started again or a network is cut: then the locks are taken anew on
another one, and what another driver took over meanwhile is its own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from optuna.storages import BaseStorage
from sqlalchemy import URL, Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from search.common.errors import UserError
from search.common.secrets import without_secrets
from search.storage.database import database_of

SECONDS_BETWEEN_LOOKS = 5.0


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@dataclass(frozen=True)
class Dialect:
    """How a server takes and gives locks. Taking again what one has changes nothing. ``prepare``
    makes it notice soon that a driver's machine is gone, also where nobody said good-bye."""

    take: str
    wait: str
    give: str
    key: Callable[[str], int | str]
    prepare: tuple[str, ...]


POSTGRESQL = Dialect(
    take="SELECT pg_try_advisory_lock(:key)",
    wait="SELECT pg_advisory_lock(:key)",
    give="SELECT pg_advisory_unlock(:key)",
    key=lambda name: int.from_bytes(_digest(name)[:8], signed=True),
    prepare=(
        "SET tcp_keepalives_idle = 10",
        "SET tcp_keepalives_interval = 5",
        "SET tcp_keepalives_count = 3",
    ),
)
MYSQL = Dialect(
    take="SELECT GET_LOCK(:key, 0)",
    wait="SELECT GET_LOCK(:key, 31536000)",
    give="SELECT RELEASE_LOCK(:key)",
    key=lambda name: _digest(name).hex()[:60],  # of at most 64 characters, for the whole server
    prepare=("SET SESSION wait_timeout = 300",),
)
DIALECTS = {"postgresql": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL}


def refuse_without_locks(url: str) -> None:
    """Raises ``UserError`` for a storage that leaves its locks to files: not for results at a URL,
    where nothing can be locked."""
    scheme = url.partition("://")[0].partition("+")[0]
    if "://" not in url or scheme not in DIALECTS:
        raise UserError(
            "results at a URL need a database whose own locks tell its drivers apart, such as "
            f"--storage postgresql+psycopg://… or mysql://…, got {without_secrets(url)!r}"
        )


def locks_of_database(storage: BaseStorage, study_name: str) -> DatabaseLocks | None:
    """Return the locks; None where ``storage`` is not on a server that has session locks."""
    database = database_of(storage)
    if database is None or database.engine.dialect.name not in DIALECTS:
        return None
    dialect = DIALECTS[database.engine.dialect.name]
    return DatabaseLocks(database.engine.url, dialect, study_name)


class DatabaseLocks:
    """Locks like ``search.storage.lease.FileLocks``, on one connection of their own to the database
    at ``url``."""

    def __init__(self, url: URL, dialect: Dialect, study_name: str):
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._dialect = dialect
        self._scope = f"sharpsearch/{url.database}/{study_name}"
        self._held: list[str] = []
        self._connection: Connection | None = None
        self._next_look = 0.0

    def hold(self, name: str) -> None:
        self._ask(self._dialect.take, name)
        self._held.append(name)

    def is_held(self, name: str) -> bool:
        """Return whether another connection holds ``name``."""
        if not self._ask(self._dialect.take, name):
            return True
        self._ask(self._dialect.give, name)
        return False

    def held_since(self, name: str) -> None:
        """A server does not say when a lock was taken."""

    @contextmanager
    def alone(self) -> Iterator[None]:
        self._ask(self._dialect.wait, "")
        try:
            yield
        finally:
            self._ask(self._dialect.give, "")

    def keep(self) -> None:
        """Take lost locks again; a server that cannot be reached now is asked again later."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        with suppress(DBAPIError):
            for name in self._held:
                self._ask(self._dialect.take, name)

    def close(self) -> None:
        """Gives back what is held at once: a server notices the end of a connection later."""
        with suppress(DBAPIError):
            while self._connection and self._held:
                self._say(self._connection, self._dialect.give, self._held.pop())
        self._held.clear()
        self._leave()

    def _ask(self, statement: str, name: str) -> bool:
        """Return the server's answer, of another connection where this one is lost."""
        try:
            return self._say(self._session(), statement, name)
        except DBAPIError:
            self._leave()
        return self._say(self._session(), statement, name)

    def _say(self, connection: Connection, statement: str, name: str) -> bool:
        key = self._dialect.key(f"{self._scope}/{name}")
        return bool(connection.execute(text(statement), {"key": key}).scalar())

    def _session(self) -> Connection:
        if self._connection is None:
            connection = self._connection = self._engine.connect()
            for statement in self._dialect.prepare:
                connection.execute(text(statement))
            for name in self._held:
                self._say(connection, self._dialect.take, name)
        return self._connection

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()
