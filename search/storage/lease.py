"""Who works on a study: file locks that the system gives back when their process dies.

A driver holds a lock on a file of its own for as long as it lives; a trial carries the name of
that file. Whoever can take the lock knows that the driver is gone, however it went, without any
clock. Asking for trials happens under one more lock, so two drivers never take the same.
"""

from __future__ import annotations

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from search.common.errors import UserError, one_line
from search.common.layout import StudyFolder


class Lease:
    """This process's place in a study; leaving it hands its trials to the next driver."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder
        self.driver = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        try:
            folder.drivers.mkdir(parents=True, exist_ok=True)
            self._file = _locked(self._path(self.driver))
        except OSError as error:
            raise UserError(
                f"cannot write to the results folder {str(folder.path)!r}: {one_line(error)}; "
                "choose another with --results-dir"
            ) from None

    def _path(self, driver: str) -> Path:
        return self._folder.drivers / f"{driver}.lock"

    def is_alive(self, driver: str) -> bool:
        """Whether ``driver`` still holds its lock. A file that is gone was given up."""
        if driver == self.driver:
            return True
        try:  # for writing: NFSv4 gives no exclusive lock otherwise
            with open(self._path(driver), "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        self._path(driver).unlink(missing_ok=True)
        return False

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Within: no other driver of this study asks for a trial or takes one up."""
        self._folder.claims.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder.claims, wait=True):
            yield

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self._path(self.driver).unlink(missing_ok=True)
        self._file.close()


def _locked(path: Path, wait: bool = False) -> IO[str]:
    file = open(path, "a")  # noqa: SIM115  the lock lives as long as the file is open
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    return file
