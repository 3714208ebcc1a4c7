"""Files that are never seen half-written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trainers.failpoints import failpoint


def remove_partials(folder: Path) -> None:
    """What killed processes had begun to write in ``folder``."""
    for partial in folder.glob("*.tmp"):
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """``path`` holds the old content or the new, never a part, even if the power fails."""
    with atomic_file(path) as file:
        file.write(content[: len(content) // 2])
        failpoint("file half written")
        file.write(content[len(content) // 2 :])


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written within, which is ``path`` afterwards; after an error nothing is left."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
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
