"""Prepared data sets: folders of plain .npy files, and meta.json, that all processes map; and how
it is known, without reading everything again, that files have not changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from uuid import uuid4

import numpy as np

from trainers.data.images import DataError, ImageData, one_line

FORMAT = 1  # of a prepared folder; a change makes all of them anew
FILE, VERIFIED = "meta.json", "verified.stamp"
DTYPES = {
    "train_images": "|u1",
    "train_labels": "<i8",
    "test_images": "|u1",
    "test_labels": "<i8",
}
FILES = (FILE, *(f"{name}.npy" for name in DTYPES))
PIECE = 3 * 2**18  # bytes read at a time; whole pixels of one or three channels
SETTLED = 2.0  # seconds after which a file that changes gets another time stamp


@dataclass(frozen=True)
class Meta:
    """The facts of a prepared data set. ``shapes`` are of the arrays, by name; the rest is as in
    ``ImageData``."""

    format: int
    name: str
    classes: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str

    def write(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_meta(folder: Path) -> Meta:
    """Return the meta.json in ``folder``. Raises ``DataError`` when it is missing, torn or
    foreign."""
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if set(values) != {item.name for item in fields(Meta)} or values["format"] != FORMAT:
            raise ValueError(f"it is not of format {FORMAT}")
        return Meta(
            format=FORMAT,
            name=str(values["name"]),
            classes=tuple(str(name) for name in values["classes"]),
            shapes={str(key): tuple(map(int, val)) for key, val in values["shapes"].items()},
            mean=tuple(map(float, values["mean"])),
            std=tuple(map(float, values["std"])),
            fingerprint=str(values["fingerprint"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{folder / FILE} is damaged: {one_line(error)}") from None


def open_prepared(folder: Path) -> ImageData:
    """Return the data set in ``folder``, memory-mapped: nothing is copied and nothing is hashed.

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
    """Read everything again, unless the files have not changed since that was last done. Raises
    ``DataError`` when it is not what was once prepared."""
    meta, arrays = load_prepared(Path(folder))
    now, settled = _stamp(folder, FILES)
    if _remembered(folder / VERIFIED) == now:
        return
    found = fingerprint(arrays, meta.classes)
    if found != meta.fingerprint:
        raise DataError(
            f"{folder} was changed: its fingerprint must be {meta.fingerprint}, got {found}; "
            "delete the folder to have it made again"
        )
    if settled:
        _remember(folder / VERIFIED, now)


def load_prepared(folder: Path) -> tuple[Meta, dict[str, np.memmap]]:
    """Return meta and mapped arrays of ``folder``. Raises ``DataError`` when it is not whole."""
    meta = read_meta(folder)
    if set(meta.shapes) != set(DTYPES):
        raise DataError(f"{folder} is damaged: meta.json does not name its four arrays")
    return meta, {
        name: _map(folder / f"{name}.npy", meta.shapes[name], DTYPES[name]) for name in DTYPES
    }


def _map(path: Path, shape: tuple[int, ...], dtype: str) -> np.memmap:
    try:
        # Mode "c", copy on write: the pages are shared with every other process and the file
        # can never be changed through them, yet the array counts as writable, so torch takes
        # it as it is. With mode "r" torch.from_numpy would warn.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(f"{path} is damaged: {one_line(error)}") from None
    wanted = (shape, dtype, path.stat().st_size)
    mapped = isinstance(array, np.memmap)
    if mapped and (array.shape, array.dtype.str, array.offset + array.nbytes) == wanted:
        return array
    raise DataError(f"{path} is damaged: it must hold {dtype} {shape} and nothing else")


def holds(folder: Path, wanted: str) -> bool:
    """Return whether the data set of the fingerprint ``wanted`` is in ``folder``, undamaged."""
    try:
        if read_meta(folder).fingerprint != wanted:
            return False
        verify_prepared(folder)
    except DataError:
        return False
    return True


def is_whole(folder: Path) -> bool:
    """Return whether ``folder`` can be opened as it is."""
    try:
        load_prepared(folder)
    except DataError:
        return False
    return True


def fingerprint(arrays: Mapping[str, np.memmap], classes: Sequence[str]) -> str:
    """Return the SHA-256 (hexadecimal) over type, shape and bytes of the arrays, by name, and the
    classes."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for piece in pieces(array):
            digest.update(piece)
    return digest.hexdigest()


def pieces(array: np.memmap) -> Iterator[bytes]:
    """Yield what a mapped array holds, in pieces: mapped pages would count as memory in use."""
    with open(str(array.filename), "rb") as file:
        file.seek(array.offset)
        while piece := file.read(PIECE):
            yield piece


def content_hash(root: Path, names: Sequence[str], memo: Path) -> str:
    """Return the SHA-256 over the names and bytes of the files ``names`` under ``root``.

    It is remembered in the folder ``memo`` by root and each file's name, size and times, so an
    unchanged folder is not read again. Raises ``DataError`` when a file cannot be read.
    """
    try:
        key, settled = _stamp(root, names)
        found = _remembered(memo / key) or _hash_files(root, names)
    except OSError as error:
        raise DataError(f"cannot read {root}: {one_line(error)}") from None
    if settled:
        _remember(memo / key, found)
    return found


def _stamp(root: Path, names: Sequence[str]) -> tuple[str, bool]:
    """Return a text that is another one when a file has changed since, of where the files are,
    their sizes, times and inodes; and whether all were settled: what changed just now might change
    again within the same time stamp. Raises ``OSError``."""
    stats = [os.stat(root / name) for name in names]
    listing = [
        [name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        for name, stat in zip(names, stats, strict=True)
    ]
    text = hashlib.sha256(json.dumps([str(root.resolve()), listing]).encode()).hexdigest()
    newest = max(max(stat.st_mtime, stat.st_ctime) for stat in stats)
    return text, newest < time.time() - SETTLED


def _hash_files(root: Path, names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        with open(root / name, "rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(json.dumps([name, inner]).encode())
    return digest.hexdigest()


def _remembered(path: Path) -> str:
    """Return what was remembered there; empty where that is nothing, or not whole."""
    with suppress(OSError, ValueError):
        text = path.read_text(encoding="ascii")
        return text if len(text) == 64 else ""
    return ""


def _remember(path: Path, text: str) -> None:
    """Writes ``path``, or not: it only saves time, without it the files are read again."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{uuid4().hex}")
        partial.write_text(text, encoding="ascii")
        os.replace(partial, path)
