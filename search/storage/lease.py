"""Who works on a study: locks that are given back when their driver dies.

A driver holds a lock of its own for as long as it lives; a trial carries that lock's name. Whoever
can take the lock knows that the driver is gone, however it went, without any clock. Asking for
trials happens under one more lock, so two drivers never take the same.

The locks are the database's where it is a server that has them, else files in the study's folder.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from optuna.storages import BaseStorage

from search.common.errors import UserError, one_line
from search.common.layout import StudyFolder
from search.storage.database_locks import DatabaseLocks, locks_of_database


class Lease:
    """This process's place in a study; leaving it hands its trials to the next driver."""

    def __init__(self, folder: StudyFolder, storage: BaseStorage | None = None):
        self.driver = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.locks = locks_of(folder, storage)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            self.locks.hold(self.driver)
        except OSError as error:
            raise UserError(
                f"cannot write to the results folder {str(folder.path)!r}: {one_line(error)}; "
                "choose another with --results-dir"
            ) from None

    def is_alive(self, driver: str) -> bool:
        """Return whether ``driver`` still holds its lock."""
        return driver == self.driver or self.locks.is_held(driver)

    def claiming(self) -> AbstractContextManager[None]:
        """Return a context manager within which no other driver of this study asks for a trial or
        takes one up."""
        return self.locks.alone()

    def keep(self) -> None:
        """Take lost locks again. Call it often while trials are at work."""
        self.locks.keep()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self.locks.close()


def locks_of(folder: StudyFolder, storage: BaseStorage | None) -> FileLocks | DatabaseLocks:
    """Return the locks of a study's drivers, none of which is held yet."""
    in_database = storage and locks_of_database(storage, folder.study_name)
    return in_database or FileLocks(folder)


class FileLocks:
    """Locks with one file per name in the study's folder. A lock is given back when its process
    dies."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder
        self._held: dict[str, IO[str]] = {}

    def _path(self, name: str) -> Path:
        return self._folder.drivers / f"{name}.lock"

    def hold(self, name: str) -> None:
        """Take the lock ``name`` until this process dies, or ``close``."""
        self._folder.drivers.mkdir(parents=True, exist_ok=True)
        self._held[name] = _locked(self._path(name))

    def is_held(self, name: str) -> bool:
        """Return whether another lives that holds it. A file that is gone was given up."""
        try:  # for writing: NFSv4 gives no exclusive lock otherwise
            with open(self._path(name), "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        self._path(name).unlink(missing_ok=True)
        return False

    def held_since(self, name: str) -> datetime | None:
        """Return when the lock ``name`` was taken, in local time; None where it is not there."""
        with suppress(FileNotFoundError):
            return datetime.fromtimestamp(self._path(name).stat().st_mtime)
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Return a context manager within which no other driver is here. It is the only lock that
        is waited for."""
        self._folder.claims.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder.claims, wait=True):
            yield

    def keep(self) -> None:
        """Take again what was lost without its process: no lock on a file ever is."""

    def close(self) -> None:
        """Give back what is held."""
        for name, file in self._held.items():
            self._path(name).unlink(missing_ok=True)
            file.close()
        self._held.clear()


def _locked(path: Path, wait: bool = False) -> IO[str]:
    file = open(path, "a")  # noqa: SIM115  the lock lives as long as the file is open
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    return file
