"""A data set in one .npz file, or in a folder of .npy files, which may be damaged or ill-meant.

It holds train_images and test_images, uint8 (N, H, W, C) with C 1 or 3, or (N, H, W) for one
channel; train_labels and test_labels, whole numbers (N,); and, if wanted, classes (K,) of text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from trainers.data.images import DataError, RawSet, Source, check_square, one_line, split_of
from trainers.data.prepared import content_hash

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")
NAMES = (*REQUIRED, "classes")


def npz_source(path: Path) -> Source:
    """Return the data set in the file ``path``, named after it."""
    content = partial(content_hash, path.parent, [path.name])
    return Source(path.stem, content, lambda: _checked(path, _read_npz(path)))


def is_npy_folder(folder: Path) -> bool:
    """Return whether ``folder`` holds train_images.npy, and so is no folder of image files."""
    return (folder / f"{REQUIRED[0]}.npy").is_file()


def npy_source(folder: Path) -> Source:
    """Return the data set in ``folder``: train_images.npy, train_labels.npy and so on. The files
    are mapped: they may be larger than memory."""
    names = [name for name in NAMES if (folder / f"{name}.npy").is_file()]
    content = partial(content_hash, folder, [f"{name}.npy" for name in names])

    def read() -> RawSet:
        return _checked(folder, {name: _map_npy(folder / f"{name}.npy") for name in names})

    return Source(folder.resolve().name, content, read)


def _map_npy(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return array
    except Exception as error:  # numpy raises a dozen kinds for damaged files
        raise DataError(f"{path}: not a valid .npy file: {one_line(error)}") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return those of ``NAMES`` that the file holds."""
    try:
        # A header that claims more than there is costs nothing: memory that is never written to.
        with open(path, "rb") as opened:
            file = np.load(opened, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise ValueError("it holds a single array")
            return {name: file[name] for name in NAMES if name in file}
    except Exception as error:
        raise DataError(f"{path}: not a valid .npz file: {one_line(error)}") from None


def _checked(path: Path, arrays: Mapping[str, np.ndarray]) -> RawSet:
    """Raises ``DataError`` naming file, array and rule."""
    for name in REQUIRED:
        if name not in arrays:
            raise DataError(f"{path}: no array {name!r} (needed: {', '.join(REQUIRED)})")
    train, test = (_images(path, f"{split}_images", arrays) for split in ("train", "test"))
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{path}: test_images must have the image shape of train_images "
            f"{train.shape[1:]}, got {test.shape[1:]}"
        )
    _check_labels(path, "train", arrays["train_labels"], len(train))
    _check_labels(path, "test", arrays["test_labels"], len(test))
    classes = _classes(path, arrays, len(train))
    return RawSet(
        split_of(train, arrays["train_labels"]), split_of(test, arrays["test_labels"]), classes
    )


def _images(path: Path, name: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    images = arrays[name]
    if images.dtype != np.uint8:
        raise DataError(f"{path}: {name} must be uint8, got {images.dtype}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DataError(
            f"{path}: {name} must have shape (N, H, W), (N, H, W, 1) or (N, H, W, 3), "
            f"got {arrays[name].shape}"
        )
    if images.size == 0:
        raise DataError(f"{path}: {name} must hold at least one image, got shape {images.shape}")
    check_square(f"{path}: {name}", images.shape[1], images.shape[2])
    return images


def _check_labels(path: Path, split: str, labels: np.ndarray, count: int) -> None:
    name = f"{split}_labels"
    if labels.dtype.kind not in "iu":
        raise DataError(f"{path}: {name} must be whole numbers, got {labels.dtype}")
    if labels.shape != (count,):
        raise DataError(
            f"{path}: {name} must have shape ({count},), one for each of {split}_images, "
            f"got {labels.shape}"
        )


def _classes(path: Path, arrays: Mapping[str, np.ndarray], images: int) -> tuple[str, ...]:
    """Return the names of the classes; without names, numbers up to the highest label. There are no
    more classes than training ``images``: one stray label must not make a billion of them."""
    labels = {split: arrays[f"{split}_labels"] for split in ("train", "test")}
    names = arrays.get("classes")
    if names is not None:
        _check_names(path, names, images)
    count = images if names is None else len(names)
    for split, values in labels.items():
        for label in (int(values.min()), int(values.max())):
            if not 0 <= label < count:
                raise DataError(f"{path}: {split}_labels must be in [0, {count - 1}], got {label}")
    if names is None:
        return tuple(map(str, range(1 + max(int(values.max()) for values in labels.values()))))
    return tuple(names.tolist())


def _check_names(path: Path, names: np.ndarray, images: int) -> None:
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) == 0:
        raise DataError(
            f"{path}: classes must be text of shape (K,), got {names.dtype} {names.shape}"
        )
    if len(names) > images:
        raise DataError(
            f"{path}: classes must be at most {images}, one for each training image, "
            f"got {len(names)}"
        )
    if len(set(names.tolist())) != len(names):
        raise DataError(f"{path}: classes must differ from each other, got one twice")
