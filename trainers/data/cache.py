"""Data sets decoded once per machine, as plain .npy files that all processes map."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from trainers.data.errors import DataError, one_line
from trainers.data.fingerprint import fingerprint
from trainers.data.images import ImageData
from trainers.data.meta import FORMAT, Meta, read_meta
from trainers.data.pixels import channel_statistics
from trainers.data.raw import RawSet, RawSplit

Progress = Callable[[int, int], None]
PARTIAL = ".partial-"
ABANDONED = 24 * 3600.0  # seconds
DTYPES = {
    "train_images": "|u1",
    "train_labels": "<i8",
    "test_images": "|u1",
    "test_labels": "<i8",
}


def open_prepared(folder: Path) -> ImageData:
    """The data set in ``folder``, memory-mapped: nothing is copied and nothing is hashed.

    All processes share the pages. Raises ``DataError`` when a file is missing or damaged.
    """
    import torch

    meta, arrays = load_prepared(Path(folder))
    return ImageData(
        name=meta.name,
        classes=meta.classes,
        fingerprint=meta.fingerprint,
        mean=meta.mean,
        std=meta.std,
        **{name: torch.from_numpy(array) for name, array in arrays.items()},
    )


def verify_prepared(folder: Path) -> None:
    """Read everything again. Raises ``DataError`` when it is not what was once prepared."""
    meta, arrays = load_prepared(Path(folder))
    found = fingerprint(arrays, meta.classes)
    if found != meta.fingerprint:
        raise DataError(
            f"{folder} was changed: its fingerprint must be {meta.fingerprint}, got {found}; "
            "delete the folder to have it made again"
        )


def load_prepared(folder: Path) -> tuple[Meta, dict[str, np.ndarray]]:
    """Meta and mapped arrays of ``folder``. Raises ``DataError`` when it is not whole."""
    meta = read_meta(folder)
    if set(meta.shapes) != set(DTYPES):
        raise DataError(f"{folder} is damaged: meta.json does not name its four arrays")
    return meta, {
        name: _map(folder / f"{name}.npy", meta.shapes[name], DTYPES[name]) for name in DTYPES
    }


def _map(path: Path, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    try:
        # Mode "c", copy on write: the pages are shared with every other process and the file
        # can never be changed through them, yet the array counts as writable, so torch takes
        # it as it is. With mode "r" torch.from_numpy would warn.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged: {one_line(error)}") from None
    size = array.offset + array.nbytes if isinstance(array, np.memmap) else -1
    if array.shape != shape or array.dtype.str != dtype or size != path.stat().st_size:
        raise DataError(f"{path} is damaged: it must hold {dtype} {shape} and nothing else")
    return array


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` can be opened as it is."""
    try:
        load_prepared(folder)
    except DataError:
        return False
    return True


def build(folder: Path, name: str, raw: RawSet, progress: Progress | None) -> None:
    """Write ``raw`` to ``folder``, which appears at once and whole or not at all."""
    _sweep(folder.parent)
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder.parent))
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
