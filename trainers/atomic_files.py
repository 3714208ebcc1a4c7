"""Files that are never seen half-written."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trainers.failpoints import failpoint

SECONDS_TO_WRITE = 3600  # a file of another machine's that is older is nobody's any more


def remove_partials(folder: Path) -> None:
    """Removes what killed processes had begun to write in ``folder``, and nothing that another
    process, of this machine or another, may be writing now."""
    for partial in folder.glob("*.tmp"):
        if not _may_be_written(partial):
            partial.unlink(missing_ok=True)


def _may_be_written(partial: Path) -> bool:
    host, _, pid = partial.stem.rpartition(".")[2].rpartition("-")
    if host == _host() and pid.isdigit() and not _is_alive(int(pid)):
        return False
    try:
        return time.time() - partial.stat().st_mtime < SECONDS_TO_WRITE
    except FileNotFoundError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return pid != os.getpid()  # this one is not writing while it removes


def _host() -> str:
    return socket.gethostname().replace(".", "_")


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file such that ``path`` holds the old content or the new, never a part, even if the
    power fails."""
    with atomic_file(path) as file:
        file.write(content[: len(content) // 2])
        failpoint("file half written")
        file.write(content[len(content) // 2 :])


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to be written, which is ``path`` afterwards; after an error nothing is left."""
    partial = path.with_name(f"{path.name}.{_host()}-{os.getpid()}.tmp")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        failpoint("file written")
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
