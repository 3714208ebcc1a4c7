"""A data set in one .npz file.

It holds train_images and test_images, uint8 (N, H, W, C) with C 1 or 3, or (N, H, W) for one
channel; train_labels and test_labels, whole numbers (N,); and, if wanted, classes (K,) of text.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from trainers.data.errors import DataError, one_line
from trainers.data.hashing import content_hash
from trainers.data.images import check_square
from trainers.data.npz_file import read_arrays
from trainers.data.raw import RawSet, Source, split_of

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")


def npz_source(path: Path) -> Source:
    """The data set in the file ``path``, named after it."""
    return Source(path.stem, partial(_content, path), partial(read_npz, path))


def _content(path: Path, memo: Path) -> str:
    try:
        return content_hash(path.parent, [path.name], memo)
    except OSError as error:
        raise DataError(f"cannot read {path}: {one_line(error)}") from None


def read_npz(path: Path) -> RawSet:
    """Decode and check. Raises ``DataError`` naming file, array and rule."""
    arrays = read_arrays(path, (*REQUIRED, "classes"))
    for name in REQUIRED:
        if name not in arrays:
            raise DataError(f"{path}: no array {name!r} (needed: {', '.join(REQUIRED)})")
    images = {split: _images(path, split, arrays) for split in ("train", "test")}
    if images["train"].shape[1:] != images["test"].shape[1:]:
        raise DataError(
            f"{path}: test_images must have the image shape of train_images "
            f"{images['train'].shape[1:]}, got {images['test'].shape[1:]}"
        )
    for split in ("train", "test"):
        _check_labels(path, split, arrays[f"{split}_labels"], len(images[split]))
    classes = _classes(path, arrays)
    for split in ("train", "test"):
        _check_range(path, split, arrays[f"{split}_labels"], len(classes))
    return RawSet(
        split_of(images["train"], arrays["train_labels"]),
        split_of(images["test"], arrays["test_labels"]),
        classes,
    )


def _images(path: Path, split: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    name = f"{split}_images"
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


def _classes(path: Path, arrays: dict[str, np.ndarray]) -> tuple[str, ...]:
    if "classes" not in arrays:
        highest = max(int(arrays[f"{split}_labels"].max()) for split in ("train", "test"))
        return tuple(str(label) for label in range(max(highest, 0) + 1))
    names = arrays["classes"]
    if names.dtype.kind != "U" or names.ndim != 1 or len(names) == 0:
        raise DataError(
            f"{path}: classes must be text of shape (K,), got {names.dtype} {names.shape}"
        )
    if len(set(names.tolist())) != len(names):
        raise DataError(f"{path}: classes must differ from each other, got one twice")
    return tuple(names.tolist())


def _check_range(path: Path, split: str, labels: np.ndarray, num_classes: int) -> None:
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label < num_classes:
            raise DataError(
                f"{path}: {split}_labels must be in [0, {num_classes - 1}], got {label}"
            )
