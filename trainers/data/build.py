"""Writing a prepared data set, so that it is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np

from trainers.data.cache import DTYPES, is_whole
from trainers.data.fingerprint import fingerprint
from trainers.data.meta import FORMAT, Meta
from trainers.data.pixels import channel_statistics
from trainers.data.raw import RawSet, RawSplit

Progress = Callable[[int, int], None]
PARTIAL = ".partial-"
ABANDONED = 24 * 3600.0  # seconds


def build(folder: Path, name: str, raw: RawSet, progress: Progress | None) -> None:
    """Write ``raw`` to ``folder``, which appears at once and whole or not at all."""
    _sweep(folder.parent)
    partial = folder.parent / f"{PARTIAL}{uuid4().hex}"
    partial.mkdir()
    try:
        _write(partial, name, raw, progress or _silent)
        _install(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(folder: Path, name: str, raw: RawSet, progress: Progress) -> None:
    total = raw.train.shape[0] + raw.test.shape[0]
    done = 0
    for split, images in (("train", raw.train), ("test", raw.test)):
        np.save(folder / f"{split}_labels.npy", images.labels.astype("<i8"))
        for count in _write_images(folder / f"{split}_images.npy", images):
            done += count
            progress(done, total)
    arrays = {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in DTYPES}
    mean, std = channel_statistics(arrays["train_images"])
    shapes = {key: array.shape for key, array in arrays.items()}
    digest = fingerprint(arrays, raw.classes)
    Meta(FORMAT, name, raw.classes, shapes, mean, std, digest).write(folder)


def _write_images(path: Path, split: RawSplit) -> Iterator[int]:
    # Written, not mapped: on a full disk a write raises, a mapped page would kill the process.
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": split.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for piece in split.pieces:
            file.write(np.ascontiguousarray(piece).data)
            yield len(piece)
        file.flush()
        os.fsync(file.fileno())


def _install(partial: Path, folder: Path) -> None:
    if folder.exists() and not is_whole(folder):
        shutil.rmtree(folder)
    try:
        os.rename(partial, folder)
    except OSError:  # another process was first, where the file system cannot lock
        if not is_whole(folder):
            raise


def _sweep(cache: Path) -> None:
    """Remove what killed processes left half written."""
    for partial in cache.glob(f"{PARTIAL}*"):
        with suppress(OSError):
            if partial.stat().st_mtime < time.time() - ABANDONED:
                shutil.rmtree(partial)


def _silent(done: int, total: int) -> None:
    pass


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time, where the file system can do that; the lock dies with its holder."""
    with open(path, "w") as file:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
