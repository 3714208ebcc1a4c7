"""A study's files: in a folder of this machine, or at a file system's URL such as
``s3://bucket/prefix``, which pyarrow reads and writes.

Where results lie at a URL, a folder of this machine mirrors them: commands read the mirror, which
is refreshed first, and change what lies there. Files go by their path in the study's folder here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from search.common.layout import BEST_WEIGHTS, StudyFolder, origin_of
from trainers.atomic_files import atomic_file, write_atomically

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

PIECE = 8 * 2**20  # bytes
LONGEST_RETRY = 600.0  # s
SECONDS_BETWEEN_TRIES = 1.0
# As S3 says it: trying again changes nothing.
NEVER_RETRIED = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY", "SIGNATURE", "TOKEN")
WHOLE_OR_NOT = ("s3", "gcs", "abfs")  # where a file appears when all of it is there
PARTIAL = ".partial"
AT_ONCE = 16  # files fetched
MANY = 8  # folders that are looked for one by one; more are found in a list of all
LEFT_THERE = (".pt",)  # what reports do not read

Answer = TypeVar("Answer")


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class RemoteFile:
    """A file's bytes, and when it was written, in nanoseconds since 1970 by the store's own
    clock."""

    size: int
    modified: int


@dataclass(frozen=True)
class RemoteFolder:
    """The folder ``below`` the one at ``url``; files are named by their path in it.

    Each call is tried again for ``patience`` seconds while the network fails, and ``on_wait`` is
    called now and then meanwhile. What else goes wrong, and that in the end, is an ``OSError``.
    """

    url: str
    below: str = ""
    on_wait: Callable[[], None] = field(default=_nothing, compare=False)
    patience: float = LONGEST_RETRY

    @cached_property
    def _place(self) -> tuple[FileSystem, str]:
        from pyarrow.fs import FileSystem

        system, path = self._patiently(lambda: FileSystem.from_uri(self.url))
        return system, f"{path.rstrip('/')}/{self.below}".rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the connection out: on another node its own credentials count."""
        return RemoteFolder, (self.url, self.below, _nothing, self.patience)

    def files(self, folder: str = "") -> dict[str, RemoteFile]:
        """Return all files, also of folders within it, or those of one ``folder`` of it."""
        from pyarrow.fs import FileSelector, FileType

        system, root = self._place
        everything = FileSelector(
            f"{root}/{folder}".rstrip("/"), allow_not_found=True, recursive=True
        )
        found: list[FileInfo] = self._patiently(lambda: system.get_file_info(everything))
        return {
            info.path[len(root) + 1 :]: RemoteFile(info.size, info.mtime_ns)
            for info in found
            if info.type == FileType.File and not info.path.endswith(PARTIAL)
        }

    def read(self, name: str) -> bytes:
        """Return the contents. Raises ``FileNotFoundError``."""
        return self._patiently(lambda: self._read(name))

    def _read(self, name: str) -> bytes:
        system, root = self._place
        with system.open_input_stream(f"{root}/{name}") as stream:
            return bytes(stream.read())

    def fetch(self, name: str, file: Path) -> None:
        """Fetch into ``file``, which is whole or as it was. Raises ``FileNotFoundError``."""
        self._patiently(lambda: self._fetch(name, file))

    def _fetch(self, name: str, file: Path) -> None:
        system, root = self._place
        with system.open_input_stream(f"{root}/{name}") as stream, atomic_file(file) as out:
            self._copy(stream, out)

    def write(self, name: str, content: bytes) -> None:
        """Write ``content``, whole or not at all."""

        def put(out: IO[bytes]) -> None:
            out.write(content)

        self._patiently(lambda: self._put(name, put))

    def send(self, file: Path, name: str) -> None:
        """Send the contents of ``file``, whole or not at all."""

        def put(out: IO[bytes]) -> None:
            with open(file, "rb") as source:
                self._copy(source, out)

        self._patiently(lambda: self._put(name, put))

    def _put(self, name: str, put: Callable[[IO[bytes]], None]) -> None:
        system, root = self._place
        path = f"{root}/{name}"
        if system.type_name in WHOLE_OR_NOT:
            with system.open_output_stream(path) as out:
                put(out)
            return
        self._make_parent(path)
        partial = f"{path}.{os.getpid()}{PARTIAL}"
        with system.open_output_stream(partial) as out:
            put(out)
        system.move(partial, path)

    def _make_parent(self, path: str) -> None:
        """An object store has no folders."""
        system, _ = self._place
        if system.type_name not in WHOLE_OR_NOT:
            system.create_dir(os.path.dirname(path), recursive=True)

    def _copy(self, source: IO[bytes], out: IO[bytes]) -> None:
        while piece := source.read(PIECE):
            out.write(piece)
            self.on_wait()

    def move(self, name: str, to: str) -> None:
        """Move a file; a crash may leave both. Raises ``FileNotFoundError``."""
        self._patiently(lambda: self._copy_there(name, to))
        self.remove(name)

    def _copy_there(self, name: str, to: str) -> None:
        system, root = self._place
        self._make_parent(f"{root}/{to}")
        system.copy_file(f"{root}/{name}", f"{root}/{to}")

    def remove(self, name: str) -> None:
        """Remove a file; it may be gone already."""
        system, root = self._place
        with suppress(FileNotFoundError):
            self._patiently(lambda: system.delete_file(f"{root}/{name}"))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        since = time.monotonic()
        while True:
            try:
                return ask()
            except FileNotFoundError:
                raise
            except OSError as error:
                hopeless = error.errno or any(text in str(error) for text in NEVER_RETRIED)
                if hopeless or time.monotonic() - since >= self.patience:
                    raise
            self.on_wait()
            time.sleep(SECONDS_BETWEEN_TRIES)


class StudyFiles:
    """The files of one study, in a folder of this machine or of a disk that it shares."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder

    def sizes(self, folders: Iterable[Path]) -> dict[Path, int]:
        """Return the bytes of each file in ``folders``."""
        found = {}
        for folder in folders:
            with suppress(FileNotFoundError):
                for entry in os.scandir(folder):
                    with suppress(FileNotFoundError):  # another driver may be at it too
                        found[folder / entry.name] = entry.stat().st_size
        return found

    def read(self, file: Path) -> bytes:
        """Return the contents. Raises ``FileNotFoundError``."""
        return file.read_bytes()

    def write(self, file: Path, content: bytes) -> None:
        """Write the file such that the old content or the new is there, never a part."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, content)

    def copy(self, file: Path, to: Path) -> None:
        """Return the contents. Raises ``FileNotFoundError``."""
        self.write(to, self.read(file))

    def move(self, file: Path, to: Path) -> None:
        """Move a file; a crash may leave both. Raises ``FileNotFoundError``."""
        to.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, to)

    def remove(self, file: Path) -> None:
        """Remove a file; it may be gone already."""
        file.unlink(missing_ok=True)

    def weights(self) -> list[int]:
        """Return the bytes of the best weights that are kept, of each trial."""
        return [file.stat().st_size for file in self._folder.weights()]

    def refresh(self) -> None:
        """Bring what reports read up to date here."""

    def publish(self, file: Path) -> None:
        """Send what was written here, if it was."""


class MirroredFiles(StudyFiles):
    """The files of a study in ``remote``; ``folder`` mirrors it."""

    def __init__(self, folder: StudyFolder, remote: RemoteFolder):
        super().__init__(folder)
        self._mirror, self._remote = folder.path, remote

    def _name(self, file: Path) -> str:
        return file.relative_to(self._mirror).as_posix()

    def sizes(self, folders: Iterable[Path]) -> dict[Path, int]:
        wanted = set(folders)
        asked = [""] if len(wanted) > MANY else map(self._name, wanted)
        found = (item for folder in asked for item in self._remote.files(folder).items())
        sizes = {self._mirror / name: file.size for name, file in found}
        return {file: size for file, size in sizes.items() if file.parent in wanted}

    def read(self, file: Path) -> bytes:
        return self._remote.read(self._name(file))

    def write(self, file: Path, content: bytes) -> None:
        self._remote.write(self._name(file), content)

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
        here = {self._name(path) for path in self._mirror.glob("trials/*/*")}
        for name in here - there.keys():
            (self._mirror / name).unlink(missing_ok=True)
        stale = [name for name, file in there.items() if self._is_stale(name, file)]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(lambda name: self._fetch(name, there[name].modified), stale))

    def _is_stale(self, name: str, file: RemoteFile) -> bool:
        try:
            here = (self._mirror / name).stat()
        except FileNotFoundError:
            return True
        of_a_trial = name.startswith("trials/")  # this driver's own log is the newer one
        return of_a_trial and (here.st_size, here.st_mtime_ns) != (file.size, file.modified)

    def _fetch(self, name: str, modified: int) -> None:
        file = self._mirror / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # removed meanwhile
            self._remote.fetch(name, file)
            os.utime(file, ns=(modified, modified))

    def publish(self, file: Path) -> None:
        if file.exists():
            self._remote.send(file, self._name(file))


def files_of(folder: StudyFolder, patience: float = LONGEST_RETRY) -> StudyFiles:
    """Return the files of a study, wherever they lie; ``patience`` as a ``RemoteFolder`` has it."""
    origin = origin_of(folder.results_dir)
    if not origin:
        return StudyFiles(folder)
    return MirroredFiles(folder, RemoteFolder(origin, folder.path.name, patience=patience))
