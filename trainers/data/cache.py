"""Prepared data sets: folders of plain .npy files that all processes map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trainers.data.errors import ARRAY_DAMAGE, DataError, one_line
from trainers.data.fingerprint import fingerprint
from trainers.data.images import ImageData
from trainers.data.meta import Meta, read_meta

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
    except ARRAY_DAMAGE as error:
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
