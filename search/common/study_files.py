"""The files of a study that its drivers and reports touch, on a disk or at a URL.

Where results lie at a URL, a folder of this machine mirrors them: commands read the mirror, which
is refreshed first, and change what lies there. Files go by their path in the study's folder here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from search.common.layout import BEST_WEIGHTS, StudyFolder, origin_of
from search.common.remote_folder import LONGEST_RETRY, RemoteFile, RemoteFolder
from trainers.atomic_files import write_atomically

AT_ONCE = 16  # files fetched
MANY = 8  # folders that are looked for one by one; more are found in a list of all
LEFT_THERE = (".pt",)  # what reports do not read


class Files(Protocol):
    """One study's."""

    def sizes(self, folders: Iterable[Path]) -> dict[Path, int]:
        """Bytes of each file in ``folders``."""

    def read(self, file: Path) -> bytes:
        """Raises ``FileNotFoundError``."""

    def write(self, file: Path, content: bytes) -> None:
        """The old content or the new is there, never a part."""

    def copy(self, file: Path, to: Path) -> None:
        """Raises ``FileNotFoundError``."""

    def move(self, file: Path, to: Path) -> None:
        """Raises ``FileNotFoundError``."""

    def remove(self, file: Path) -> None:
        """It may be gone already."""

    def weights(self) -> list[int]:
        """Bytes of the best weights that are kept, of each trial."""

    def refresh(self) -> None:
        """What reports read lies here as it is."""

    def publish(self, file: Path) -> None:
        """What was written here, if it was, is there."""


class LocalFiles:
    """In a folder of this machine, or of a disk that it shares."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder

    def sizes(self, folders: Iterable[Path]) -> dict[Path, int]:
        found = {}
        for folder in folders:
            with suppress(FileNotFoundError):
                for entry in os.scandir(folder):
                    with suppress(FileNotFoundError):  # another driver may be at it too
                        found[folder / entry.name] = entry.stat().st_size
        return found

    def read(self, file: Path) -> bytes:
        return file.read_bytes()

    def write(self, file: Path, content: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content)

    def copy(self, file: Path, to: Path) -> None:
        self.write(to, file.read_bytes())

    def move(self, file: Path, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, to)

    def remove(self, file: Path) -> None:
        file.unlink(missing_ok=True)

    def weights(self) -> list[int]:
        return [file.stat().st_size for file in self._folder.weights()]

    def refresh(self) -> None:
        """They lie here."""

    def publish(self, file: Path) -> None:
        """It is."""


class MirroredFiles:
    """In ``remote``; ``folder`` mirrors it."""

    def __init__(self, folder: Path, remote: RemoteFolder):
        self._folder = folder
        self._remote = remote

    def _name(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()

    def sizes(self, folders: Iterable[Path]) -> dict[Path, int]:
        wanted = set(folders)
        asked = [""] if len(wanted) > MANY else map(self._name, wanted)
        found = (item for folder in asked for item in self._remote.files(folder).items())
        sizes = {self._folder / name: file.size for name, file in found}
        return {file: size for file, size in sizes.items() if file.parent in wanted}

    def read(self, file: Path) -> bytes:
        return self._remote.read(self._name(file))

    def write(self, file: Path, content: bytes) -> None:
        self._remote.write(self._name(file), content)

    def copy(self, file: Path, to: Path) -> None:
        self._remote.copy(self._name(file), self._name(to))

    def move(self, file: Path, to: Path) -> None:
        self._remote.move(self._name(file), self._name(to))

    def remove(self, file: Path) -> None:
        self._remote.remove(self._name(file))

    def weights(self) -> list[int]:
        files = self._remote.files().items()
        return [file.size for name, file in files if name.endswith(f"/{BEST_WEIGHTS}")]

    def refresh(self) -> None:
        there = {
            name: file
            for name, file in self._remote.files().items()
            if not name.endswith(LEFT_THERE)
        }
        here = {self._name(path) for path in self._folder.glob("trials/*/*")}
        for name in here - there.keys():
            (self._folder / name).unlink(missing_ok=True)
        stale = [name for name, file in there.items() if self._is_stale(name, file)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda name: self._fetch(name, there[name].modified), stale))

    def _is_stale(self, name: str, file: RemoteFile) -> bool:
        try:
            here = (self._folder / name).stat()
        except FileNotFoundError:
            return True
        of_a_trial = name.startswith("trials/")  # this driver's own log is the newer one
        return of_a_trial and (here.st_size, here.st_mtime_ns) != (file.size, file.modified)

    def _fetch(self, name: str, modified: int) -> None:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # removed meanwhile
            self._remote.fetch(name, file)
            os.utime(file, ns=(modified, modified))

    def publish(self, file: Path) -> None:
        if file.exists():
            self._remote.send(file, self._name(file))


def files_of(folder: StudyFolder, patience: float = LONGEST_RETRY) -> Files:
    """Those of a study, wherever they lie; ``patience`` as a ``RemoteFolder`` has it."""
    origin = origin_of(folder.results_dir)
    if not origin:
        return LocalFiles(folder)
    return MirroredFiles(folder.path, RemoteFolder(origin, folder.path.name, patience=patience))
