"""A folder at a file system's URL, such as ``s3://bucket/prefix``: what pyarrow's file systems are
asked for, with patience while a network is down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from trainers.atomic_files import atomic_file

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

PIECE = 8 * 2**20  # bytes
LONGEST_RETRY = 600.0  # s
SECONDS_BETWEEN_TRIES = 1.0
# As S3 says it: trying again changes nothing.
NEVER_RETRIED = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY", "SIGNATURE", "TOKEN")
WHOLE_OR_NOT = ("s3", "gcs", "abfs")  # where a file appears when all of it is there
PARTIAL = ".partial"

Answer = TypeVar("Answer")


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class RemoteFile:
    """Its bytes, and when it was written, in nanoseconds since 1970 by the store's own clock."""

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
        """On another node its own credentials count."""
        return RemoteFolder, (self.url, self.below, _nothing, self.patience)

    def files(self, folder: str = "") -> dict[str, RemoteFile]:
        """All files, also of folders within it, or those of one ``folder`` of it."""
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
        """Raises ``FileNotFoundError``."""
        return self._patiently(lambda: self._read(name))

    def _read(self, name: str) -> bytes:
        system, root = self._place
        with system.open_input_stream(f"{root}/{name}") as stream:
            return bytes(stream.read())

    def fetch(self, name: str, file: Path) -> None:
        """Into ``file``, which is whole or as it was. Raises ``FileNotFoundError``."""
        self._patiently(lambda: self._fetch(name, file))

    def _fetch(self, name: str, file: Path) -> None:
        system, root = self._place
        with system.open_input_stream(f"{root}/{name}") as stream, atomic_file(file) as out:
            self._copy(stream, out)

    def write(self, name: str, content: bytes) -> None:
        """Whole, or not at all."""

        def put(out: IO[bytes]) -> None:
            out.write(content)

        self._patiently(lambda: self._put(name, put))

    def send(self, file: Path, name: str) -> None:
        """The contents of ``file``, whole, or not at all."""

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

    def copy(self, name: str, to: str) -> None:
        """Raises ``FileNotFoundError``."""
        self.write(to, self.read(name))

    def move(self, name: str, to: str) -> None:
        """A crash may leave both. Raises ``FileNotFoundError``."""
        self._patiently(lambda: self._copy_there(name, to))
        self.remove(name)

    def _copy_there(self, name: str, to: str) -> None:
        system, root = self._place
        self._make_parent(f"{root}/{to}")
        system.copy_file(f"{root}/{name}", f"{root}/{to}")

    def remove(self, name: str) -> None:
        """It may be gone already."""
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
