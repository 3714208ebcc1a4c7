"""A trial's folder on the node that trains it, where results lie at a URL: fetched from there
before the trial continues, sent there whenever an epoch is on disk.
"""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from search.common.errors import one_line
from search.common.file_store import RemoteFolder
from search.common.layout import BEST_WEIGHTS, CHECKPOINTS, HEARTBEAT
from search.study.messages import Task
from search.workers.failures import SyncError

RESUMES, PREVIOUS = CHECKPOINTS  # one there is enough: a file there is whole, or the one before it
FETCHED = (BEST_WEIGHTS, RESUMES)
NEVER_SENT = (PREVIOUS, HEARTBEAT)


def on_this_node(task: Task) -> Task:
    """Return ``task`` in a folder of this process's own, if its own lies at a URL."""
    if not task.url:
        return task
    root = Path(tempfile.gettempdir(), f"sharpsearch-{getpass.getuser()}")
    root.mkdir(mode=0o700, exist_ok=True)
    _sweep(root)
    folder = root / str(os.getpid()) / task.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return replace(task, folder=str(folder))


def _sweep(root: Path) -> None:
    """Removes what processes left that were killed."""
    for folder in root.iterdir():
        try:
            os.kill(int(folder.name), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue


class FolderSync:
    """Keeps a task's folder at its URL; does nothing where it has none. ``on_wait`` is called while
    the network is waited for, minutes if need be; what fails in the end is a ``SyncError``."""

    def __init__(self, task: Task, on_wait: Callable[[], None]):
        self._folder = Path(task.folder)
        self._remote = RemoteFolder(task.url, task.name, on_wait) if task.url else None
        self._sent: dict[str, tuple[int, int]] = {}
        self._closed = False
        self._sending = threading.Lock()

    def fetch(self) -> None:
        """Fetch what the trial resumes from."""
        if self._remote is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _of_the_network():
                for name in sorted(self._remote.files().keys() & set(FETCHED)):
                    self._remote.fetch(name, self._folder / name)
                    self._sent[name] = self._stamp(name)

    def send(self) -> None:
        """Send what is new: the best weights before the checkpoint that relies on them. By any
        thread; after ``close`` nothing."""
        if self._remote is None:
            return
        files = (file for file in self._folder.iterdir() if file.is_file())
        names = {file.name for file in files if file.suffix != ".tmp"}
        for name in sorted(names - {*NEVER_SENT}, key=_order):
            with self._sending:
                if not self._closed and self._stamp(name) != self._sent.get(name):
                    with _of_the_network():
                        self._remote.send(self._folder / name, name)
                    self._sent[name] = self._stamp(name)

    def _stamp(self, name: str) -> tuple[int, int]:
        found = (self._folder / name).stat()
        return found.st_mtime_ns, found.st_ino

    def close(self) -> None:
        """Release the folder of a trial that is over here: what it leaves may be removed from now
        on."""
        with self._sending:
            self._closed = True

    def clear(self) -> None:
        """Remove the folder from the node."""
        if self._remote is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _of_the_network() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SyncError(one_line(error)) from error


def _order(name: str) -> tuple[bool, bool, str]:
    return name != BEST_WEIGHTS, name != RESUMES, name
