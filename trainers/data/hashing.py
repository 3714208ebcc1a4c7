"""What a few files hold, as one hash, without reading again what did not change."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from trainers.data.errors import DataError, one_line

SETTLED = 2.0  # seconds


def content_hash(root: Path, names: Sequence[str], memo: Path) -> str:
    """SHA-256 over the names and bytes of the files ``names`` under ``root``.

    It is remembered in the folder ``memo`` by root and each file's name, size and times, so an
    unchanged folder is not read again. Raises ``DataError`` when a file cannot be read.
    """
    try:
        return _remembered_hash(root, names, memo)
    except OSError as error:
        raise DataError(f"cannot read {root}: {one_line(error)}") from None


def _remembered_hash(root: Path, names: Sequence[str], memo: Path) -> str:
    key = stamp(root, names)
    with suppress(OSError, ValueError):
        text = (memo / key.text).read_text(encoding="ascii")
        if len(text) == 64:
            return text
    found = _hash_files(root, names)
    if key.settled:
        remember(memo / key.text, found)
    return found


@dataclass(frozen=True)
class Stamp:
    """``text`` (64 characters) is another one when a file has changed since, as long as all were
    ``settled``: what changed just now might change again within the same time stamp."""

    text: str
    settled: bool


def stamp(root: Path, names: Sequence[str]) -> Stamp:
    """Of where the files are, their sizes, times and inodes. Raises ``OSError``."""
    stats = [os.stat(root / name) for name in names]
    listing = [
        [name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        for name, stat in zip(names, stats, strict=True)
    ]
    text = hashlib.sha256(json.dumps([str(root.resolve()), listing]).encode()).hexdigest()
    newest = max(max(stat.st_mtime, stat.st_ctime) for stat in stats)
    return Stamp(text, newest < time.time() - SETTLED)


def _hash_files(root: Path, names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        with open(root / name, "rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(json.dumps([name, inner]).encode())
    return digest.hexdigest()


def remember(path: Path, text: str) -> None:
    """Writes ``path``, or not: it only saves time, without it the files are read again."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid4().hex}")
        partial.write_text(text, encoding="ascii")
        os.replace(partial, path)
