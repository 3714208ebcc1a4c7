"""What a few files hold, as one hash, without reading again what did not change."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

SETTLED = 2.0  # seconds; a file changed since might change again within the same time stamp


def content_hash(root: Path, names: Sequence[str], memo: Path) -> str:
    """SHA-256 over the names and bytes of the files ``names`` under ``root``.

    It is remembered in the folder ``memo`` by root and each file's name, size and times, so an
    unchanged folder is not read again. Raises ``OSError`` when a file cannot be read.
    """
    stats = [os.stat(root / name) for name in names]
    listing = [
        [name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        for name, stat in zip(names, stats, strict=True)
    ]
    key = hashlib.sha256(json.dumps([str(root.resolve()), listing]).encode()).hexdigest()
    remembered = memo / key
    with suppress(OSError, ValueError):
        text = remembered.read_text(encoding="ascii")
        if len(text) == 64:
            return text
    found = _hash_files(root, names)
    newest = max(max(stat.st_mtime, stat.st_ctime) for stat in stats)
    if newest < time.time() - SETTLED:
        _remember(remembered, found)
    return found


def _hash_files(root: Path, names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        with open(root / name, "rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(json.dumps([name, inner]).encode())
    return digest.hexdigest()


def _remember(path: Path, text: str) -> None:
    # The memo only saves time: where it cannot be written, the files are read again.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid4().hex}")
        partial.write_text(text, encoding="ascii")
        os.replace(partial, path)
