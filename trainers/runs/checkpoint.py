"""Checkpoints that are whole or refused: written atomically, recognised by version and checksum.

A file is a line of JSON (version, SHA-256 and length of what follows), then what ``torch.save``
wrote. It loads with ``weights_only=True``: nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

from trainers.atomic_files import atomic_file
from trainers.failpoints import failpoint

KEY, VERSION = "sharpsearch_checkpoint", 1
HEAD_BYTES = 200
ZIP = b"PK\x03\x04"  # how torch.save begins a file
LATEST, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"


class CheckpointError(ValueError):
    """A file that is no checkpoint of this program, or not whole; the text says which and why."""


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Saves tensors and plain values, without another copy of them in memory."""
    with atomic_file(path) as file:
        file.write(b"\n".rjust(HEAD_BYTES))  # the head is known when the rest is written
        payload = _Digested(file)
        try:
            torch.save(state, cast(IO[bytes], payload))
        except RuntimeError as error:  # all that torch says of a full disk is its own position
            raise payload.error or error from None
        failpoint("file half written")
        digest, size = payload.sha256.hexdigest(), file.tell() - HEAD_BYTES
        head = json.dumps({KEY: VERSION, "sha256": digest, "bytes": size}).encode()
        file.seek(0)
        file.write(head.rjust(HEAD_BYTES - 1))


class _Digested:
    """A file to write to, and the SHA-256 of what was written."""

    error: OSError | None = None  # of the last write that failed

    def __init__(self, file: BinaryIO):
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        try:
            return self._file.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Do nothing. torch asks for it; the file is flushed when it is whole."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what was saved, on the CPU. Raises ``CheckpointError`` for anything but a whole
    file."""
    with open(path, "rb") as file:
        head = _parse_head(path, file.readline(1000))
        payload = file.read()
    if head[KEY] != VERSION:
        raise CheckpointError(f"{path}: version must be {VERSION}, got {head[KEY]}")
    if len(payload) != head.get("bytes"):
        raise CheckpointError(f"{path}: truncated, {len(payload)} of {head.get('bytes')} bytes")
    if hashlib.sha256(payload).hexdigest() != head.get("sha256"):
        raise CheckpointError(f"{path}: damaged, its checksum does not match")
    try:
        if not payload.startswith(ZIP):  # torch reads older kinds too, with warnings
            raise ValueError("not what torch.save writes")
        return torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen kinds for what was made to deceive
        raise CheckpointError(f"{path}: refused, more than tensors and plain values") from error


def _parse_head(path: Path, line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except ValueError:
        head = None
    if not isinstance(head, dict) or KEY not in head:
        raise CheckpointError(f"{path}: not a checkpoint of this program")
    return head


def rotate_and_write(folder: Path, state: dict[str, Any]) -> None:
    """Write the newest checkpoint of ``folder``; the one before it is kept."""
    latest = folder / LATEST
    with suppress(FileNotFoundError):  # none yet, or a dead driver's worker was at it just now
        os.replace(latest, folder / PREVIOUS)
    failpoint("checkpoint rotated")
    write_checkpoint(latest, state)


def read_newest(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the newest whole checkpoint of ``folder``, or None; and why newer ones were passed
    over."""
    problems: list[str] = []
    for name in (LATEST, PREVIOUS):
        try:
            return read_checkpoint(folder / name), problems
        except FileNotFoundError:
            continue
        except (CheckpointError, OSError) as error:
            problems.append(str(error))
    return None, problems
