"""Who works on a study: locks that are given back when their driver dies.

A driver holds a lock of its own for as long as it lives; a trial carries that lock's name. Whoever
can take the lock knows that the driver is gone, however it went, without any clock. Asking for
trials happens under one more lock, so two drivers never take the same.

The locks are the database's where it is a server that has them, else files in the study's folder.
"""

from __future__ import annotations

import os
import socket
import uuid
from contextlib import AbstractContextManager
from typing import Protocol

from optuna.storages import BaseStorage

from search.common.errors import UserError, one_line
from search.common.layout import StudyFolder
from search.storage.database_locks import locks_of_database
from search.storage.file_locks import FileLocks


class Locks(Protocol):
    """One study's. No lock is waited for but the one of ``alone``."""

    def hold(self, name: str) -> None:
        """Until this process or its connection dies, or ``close``."""

    def is_held(self, name: str) -> bool:
        """Whether another lives that holds it."""

    def alone(self) -> AbstractContextManager[None]:
        """Within: no other is."""

    def keep(self) -> None:
        """What was lost without its process is taken again."""

    def close(self) -> None:
        """Gives back what is held."""


class Lease:
    """This process's place in a study; leaving it hands its trials to the next driver."""

    def __init__(self, folder: StudyFolder, storage: BaseStorage | None = None):
        self.driver = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        in_database = storage and locks_of_database(storage, folder.study_name)
        self.locks: Locks = in_database or FileLocks(folder)
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            self.locks.hold(self.driver)
        except OSError as error:
            raise UserError(
                f"cannot write to the results folder {str(folder.path)!r}: {one_line(error)}; "
                "choose another with --results-dir"
            ) from None

    def is_alive(self, driver: str) -> bool:
        """Whether ``driver`` still holds its lock."""
        return driver == self.driver or self.locks.is_held(driver)

    def claiming(self) -> AbstractContextManager[None]:
        """Within: no other driver of this study asks for a trial or takes one up."""
        return self.locks.alone()

    def keep(self) -> None:
        """To be called often while trials are at work."""
        self.locks.keep()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self.locks.close()
