"""Prepared data sets: folders of plain .npy files, and meta.json, that all processes map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from trainers.data.errors import ARRAY_DAMAGE, DataError, one_line
from trainers.data.hashing import remember, stamp
from trainers.data.images import ImageData

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


@dataclass(frozen=True)
class Meta:
    """``shapes`` are of the arrays, by name; the rest is as in ``ImageData``."""

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
    """The meta.json in ``folder``. Raises ``DataError`` when it is missing, torn or foreign."""
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
    """Read everything again, unless the files have not changed since that was last done. Raises
    ``DataError`` when it is not what was once prepared."""
    meta, arrays = load_prepared(Path(folder))
    now, verified = stamp(folder, FILES), folder / VERIFIED
    with suppress(OSError, ValueError):
        if verified.read_text(encoding="ascii") == now.text:
            return
    found = fingerprint(arrays, meta.classes)
    if found != meta.fingerprint:
        raise DataError(
            f"{folder} was changed: its fingerprint must be {meta.fingerprint}, got {found}; "
            "delete the folder to have it made again"
        )
    if now.settled:
        remember(verified, now.text)


def load_prepared(folder: Path) -> tuple[Meta, dict[str, np.memmap]]:
    """Meta and mapped arrays of ``folder``. Raises ``DataError`` when it is not whole."""
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
    except ARRAY_DAMAGE as error:
        raise DataError(f"{path} is damaged: {one_line(error)}") from None
    wanted = (shape, dtype, path.stat().st_size)
    mapped = isinstance(array, np.memmap)
    if mapped and (array.shape, array.dtype.str, array.offset + array.nbytes) == wanted:
        return array
    raise DataError(f"{path} is damaged: it must hold {dtype} {shape} and nothing else")


def holds(folder: Path, wanted: str) -> bool:
    """Whether the data set of the fingerprint ``wanted`` is in ``folder``, undamaged."""
    try:
        if read_meta(folder).fingerprint != wanted:
            return False
        verify_prepared(folder)
    except DataError:
        return False
    return True


def is_whole(folder: Path) -> bool:
    """Whether ``folder`` can be opened as it is."""
    try:
        load_prepared(folder)
    except DataError:
        return False
    return True


def fingerprint(arrays: Mapping[str, np.memmap], classes: Sequence[str]) -> str:
    """SHA-256 (hexadecimal) over type, shape and bytes of the arrays, by name, and the classes."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        for piece in pieces(array):
            digest.update(piece)
    return digest.hexdigest()


def pieces(array: np.memmap) -> Iterator[bytes]:
    """What a mapped array holds, read in pieces: mapped pages would count as memory in use."""
    with open(str(array.filename), "rb") as file:
        file.seek(array.offset)
        while piece := file.read(PIECE):
            yield piece
