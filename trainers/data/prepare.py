"""From a name or a path to a folder that every process can map: there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import numpy as np

from trainers.data.images import DataError, RawSet, RawSplit, Source, one_line
from trainers.data.prepared import (
    DTYPES,
    FORMAT,
    Meta,
    fingerprint,
    is_whole,
    load_prepared,
    pieces,
)
from trainers.data.sources import find_source

Progress = Callable[[int, int], None]
PARTIAL = ".partial-"
ABANDONED = 24 * 3600.0  # seconds
SECONDS_BETWEEN_TRIES = 0.1  # of a lock


def prepare(
    name_or_path: str | Path,
    data_dir: str | Path,
    progress: Progress | None = None,
    remark: Callable[[str], None] | None = None,
    image_size: int | None = None,
) -> Path:
    """Return the prepared folder of a data set, made first if it is not there or damaged.

    ``name_or_path`` is as ``find_source`` takes it; downloads and the cache lie in ``data_dir``.
    With ``image_size`` images are made square of so many pixels. ``progress(done, total)`` counts
    images while decoding; ``remark`` gets a line for all of the source that is left out.
    Raises ``DataError``.
    """
    cache = Path(os.path.expanduser(data_dir)) / "cache"
    source = find_source(name_or_path, cache.parent, image_size)
    folder = cache / _key(source, cache / "memo")
    if not is_whole(folder):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with locked(cache / f"{folder.name}.lock"):
                if not is_whole(folder):  # another process may have made it meanwhile
                    with making(folder) as partial:
                        _write(partial, source.name, source.read(), progress)
        except OSError as error:
            raise DataError(
                f"cannot write the prepared data to {cache}: {one_line(error)}; "
                "choose another data folder"
            ) from None
    for text in (*source.remarks, *_absent_classes(str(name_or_path), folder)):
        if remark is not None:
            remark(text)
    return folder


def find_prepared(
    name_or_path: str | Path, data_dir: str | Path, image_size: int | None = None
) -> Path | None:
    """Return the prepared folder of a data set, None where ``prepare`` would make it. Nothing is
    written where nothing was prepared before. Raises ``DataError``."""
    cache = Path(os.path.expanduser(data_dir)) / "cache"
    if not cache.exists():
        find_source(name_or_path, cache.parent, image_size)
        return None
    folder = cache / _key(find_source(name_or_path, cache.parent, image_size), cache / "memo")
    return folder if is_whole(folder) else None


def _absent_classes(where: str, folder: Path) -> list[str]:
    """Return a line for each split that has no image of some classes. Raises ``DataError`` where
    only the test split has a class: no network could learn it."""
    meta, arrays = load_prepared(folder)
    train, test = (
        np.bincount(arrays[f"{split}_labels"], minlength=len(meta.classes)) > 0
        for split in ("train", "test")
    )
    if (test & ~train).any():
        raise DataError(
            f"{where}: the test images have {_names(meta, test & ~train)}, of which there is "
            "no training image"
        )
    said = [
        f"{where}: no {kind} image of {_names(meta, ~present)}; {effect}"
        for kind, present, effect in (
            ("training", train, "the network has an output for it all the same"),
            ("test", test, "means over the classes leave it out, unless images are taken for it"),
        )
        if not present.all()
    ]
    return said[:1]  # what has no training image has no test image either


def _names(meta: Meta, chosen: np.ndarray) -> str:
    """Return ``class 'a'`` or ``classes 'a', 'b', …``."""
    names = [repr(meta.classes[i]) for i in np.flatnonzero(chosen)]
    shown = ", ".join(names[:5]) + (f", … ({len(names)} in all)" if len(names) > 5 else "")
    return f"class {shown}" if len(names) == 1 else f"classes {shown}"


def _key(source: Source, memo: Path) -> str:
    parts = json.dumps([FORMAT, source.name, source.content(memo)])
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", source.name)[:40]
    return f"{readable}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Return a context manager that yields a folder to be filled, which is the prepared ``folder``
    afterwards."""
    _sweep(folder.parent)
    partial = folder.parent / f"{PARTIAL}{uuid4().hex}"
    partial.mkdir()
    try:
        yield partial
        _install(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(folder: Path, name: str, raw: RawSet, progress: Progress | None) -> None:
    total = raw.train.shape[0] + raw.test.shape[0]
    done = 0
    for split, images in (("train", raw.train), ("test", raw.test)):
        np.save(folder / f"{split}_labels.npy", images.labels.astype("<i8"))
        for count in _write_images(folder / f"{split}_images.npy", images):
            done += count
            if progress is not None:
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


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Run the block in one process at a time, where the file system can do that; the lock dies with
    its holder. ``on_wait`` is called now and then by who waits."""
    with open(path, "w") as file:
        with suppress(ImportError, OSError):
            import fcntl

            if on_wait is None:
                fcntl.flock(file, fcntl.LOCK_EX)
            while on_wait is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    on_wait()
                    time.sleep(SECONDS_BETWEEN_TRIES)
        yield


def channel_statistics(images: np.memmap) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of uint8 images (N, H, W, C), scaled to
    [0, 1].

    Sums are whole numbers, so the result does not depend on order or on the number of threads.
    """
    channels = images.shape[3]
    total = np.zeros(channels, np.int64)
    squares = np.zeros(channels, np.int64)
    for piece in pieces(images):
        pixels = np.frombuffer(piece, np.uint8).reshape(-1, channels).astype(np.int64)
        total += pixels.sum(axis=0)
        squares += (pixels * pixels).sum(axis=0)
    count = images.size // channels
    # count·sum(x²) minus sum(x)², in Python's integers: exact, and never negative.
    spread = [count * int(s) - int(t) ** 2 for t, s in zip(total, squares, strict=True)]
    mean = tuple(int(t) / count / 255 for t in total)
    return mean, tuple(value**0.5 / count / 255 for value in spread)
