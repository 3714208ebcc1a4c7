"""A data set in one .npz file, or in a folder of .npy files, which may be damaged or ill-meant.

It holds train_images and test_images, uint8 (N, H, W, C) with C 1 or 3, or (N, H, W) for one
channel; train_labels and test_labels, whole numbers (N,); and, if wanted, classes (K,) of text.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from trainers.data.errors import ARRAY_DAMAGE, DataError, one_line
from trainers.data.hashing import content_hash
from trainers.data.images import check_square
from trainers.data.raw import RawSet, Source, split_of

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")
NAMES = (*REQUIRED, "classes")
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def npz_source(path: Path) -> Source:
    """The data set in the file ``path``, named after it."""
    content = partial(content_hash, path.parent, [path.name])
    return Source(path.stem, content, partial(read_npz, path))


def is_npy_folder(folder: Path) -> bool:
    """Whether it holds train_images.npy, and so is no folder of image files."""
    return (folder / f"{REQUIRED[0]}.npy").is_file()


def npy_source(folder: Path) -> Source:
    """The data set in ``folder``: train_images.npy, train_labels.npy and so on. The files are
    mapped: they may be larger than memory."""
    names = [f"{name}.npy" for name in NAMES if (folder / f"{name}.npy").is_file()]
    content = partial(content_hash, folder, names)
    return Source(folder.resolve().name, content, partial(_read_npy, folder, names))


def _read_npy(folder: Path, names: Sequence[str]) -> RawSet:
    arrays = {}
    for name in names:
        try:
            arrays[Path(name).stem] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
        except ARRAY_DAMAGE as error:
            raise DataError(f"{folder / name}: not a valid .npy file: {one_line(error)}") from None
    return _checked(folder, arrays)


def read_npz(path: Path) -> RawSet:
    """Decode and check. Raises ``DataError`` naming file, array and rule."""
    return _checked(path, read_arrays(path, NAMES))


def _checked(path: Path, arrays: dict[str, np.ndarray]) -> RawSet:
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


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of ``names`` that the file holds. Nothing is unpickled.

    Raises ``DataError`` when the file is not a valid .npz file.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = {info.filename: info for info in file.infolist()}
            return {
                name: _read(file, members[f"{name}.npy"])
                for name in names
                if f"{name}.npy" in members
            }
    except ARRAY_DAMAGE as error:
        raise DataError(f"{path}: not a valid .npz file: {one_line(error)}") from None
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory: {one_line(error)}") from None


def _read(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    # The header is held against the member's size first: numpy would allocate what it claims.
    with file.open(member) as stream:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
        claimed = stream.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects, not plain numbers or text")
    if dtype.itemsize == 0 or min(shape, default=0) < 0 or claimed != member.file_size:
        raise ValueError(f"{member.filename} claims {shape} of {dtype}, which is not its size")
    with file.open(member) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        return array
