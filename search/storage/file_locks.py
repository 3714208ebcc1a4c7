"""Locks on files, which the system gives back when their process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from search.common.layout import StudyFolder


class FileLocks:
    """One file a name, in the study's folder."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder
        self._held: dict[str, IO[str]] = {}

    def _path(self, name: str) -> Path:
        return self._folder.drivers / f"{name}.lock"

    def hold(self, name: str) -> None:
        self._folder.drivers.mkdir(parents=True, exist_ok=True)
        self._held[name] = _locked(self._path(name))

    def is_held(self, name: str) -> bool:
        """A file that is gone was given up."""
        try:  # for writing: NFSv4 gives no exclusive lock otherwise
            with open(self._path(name), "r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        self._path(name).unlink(missing_ok=True)
        return False

    @contextmanager
    def alone(self) -> Iterator[None]:
        self._folder.claims.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder.claims, wait=True):
            yield

    def keep(self) -> None:
        """A lock on a file is lost with its process alone."""

    def close(self) -> None:
        for name, file in self._held.items():
            self._path(name).unlink(missing_ok=True)
            file.close()
        self._held.clear()


def _locked(path: Path, wait: bool = False) -> IO[str]:
    file = open(path, "a")  # noqa: SIM115  the lock lives as long as the file is open
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    return file
