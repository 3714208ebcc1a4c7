"""The table of data sets, and how a name or a path finds its source."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainers.data.arrays import is_npy_folder, npy_source, npz_source
from trainers.data.folder import folder_source
from trainers.data.images import DataError, Source
from trainers.data.library_sets import cifar_source, digits_source, torchvision_source
from trainers.validators import suggest

# Of the published archives, as torchvision checks them.
_CIFAR10_MD5 = "c58f30108f718f92721af3b95e74349a"
_CIFAR100_MD5 = "eb9058c3a382ffc7106e4002c42a8d85"


TORCHVISION = "torchvision:"
TINY_IMAGENET = "tiny-imagenet-200"


@dataclass(frozen=True)
class ImageShape:
    """Height and width in pixels, channels, and the number of classes."""

    side: int
    channels: int
    classes: int


@dataclass(frozen=True)
class _Entry:
    description: str
    shape: ImageShape
    source: Callable[[str, Path], Source]  # from the name and the folder for downloads


_TABLE: Mapping[str, _Entry] = {
    "digits": _Entry(
        "1,797 handwritten digits, 8x8, grey; comes with scikit-learn",
        ImageShape(8, 1, 10),
        lambda name, data_dir: digits_source(name, size=8, channels=1),
    ),
    "digits32": _Entry(
        "the digits enlarged to 32x32, three equal channels",
        ImageShape(32, 3, 10),
        lambda name, data_dir: digits_source(name, size=32, channels=3),
    ),
    "digits64": _Entry(
        "the digits enlarged to 64x64, three equal channels",
        ImageShape(64, 3, 10),
        lambda name, data_dir: digits_source(name, size=64, channels=3),
    ),
    "cifar10": _Entry(
        "60,000 photographs, 32x32, 10 classes; downloaded",
        ImageShape(32, 3, 10),
        lambda name, data_dir: cifar_source(name, "CIFAR10", _CIFAR10_MD5, data_dir),
    ),
    "cifar100": _Entry(
        "60,000 photographs, 32x32, 100 classes; downloaded",
        ImageShape(32, 3, 100),
        lambda name, data_dir: cifar_source(name, "CIFAR100", _CIFAR100_MD5, data_dir),
    ),
    TINY_IMAGENET: _Entry(
        "110,000 photographs, 64x64, 200 classes; unpacked by hand",
        ImageShape(64, 3, 200),
        lambda name, data_dir: _unpacked_source(data_dir / name),
    ),
}

DATASETS: Mapping[str, str] = {name: entry.description for name, entry in _TABLE.items()}
SHAPES: Mapping[str, ImageShape] = {name: entry.shape for name, entry in _TABLE.items()}


def find_source(name_or_path: str | Path, data_dir: Path, side: int | None = None) -> Source:
    """Return the source of a name in ``DATASETS``, ``torchvision:NAME``, an .npz file, a folder of
    .npy files or an image folder. With ``side``, images are made square of so many pixels.

    Raises ``DataError`` when there is none.
    """
    name = os.fspath(name_or_path)
    if name.startswith(TORCHVISION) and not isinstance(name_or_path, Path):
        return torchvision_source(name.removeprefix(TORCHVISION), data_dir, side)
    path = Path(os.path.expanduser(name))
    if name not in DATASETS and name and path.is_dir() and not is_npy_folder(path):
        return folder_source(path, side)
    if side is not None:
        raise DataError(f"--image-size is for image folders and torchvision:NAME, got {name!r}")
    if name in DATASETS and not isinstance(name_or_path, Path):
        return _TABLE[name].source(name, data_dir)
    if path.is_file():
        return npz_source(path)
    if name and path.is_dir():  # an empty name would be the present folder
        return npy_source(path) if is_npy_folder(path) else folder_source(path)
    if _looks_like_path(name) or isinstance(name_or_path, Path):
        raise DataError(f"no such file or folder: {name}")
    raise DataError(
        f"unknown data set {name!r}{suggest(name, DATASETS)} (known: {', '.join(DATASETS)}; "
        "torchvision:NAME; or the path of an .npz file or of an image folder)"
    )


def _unpacked_source(folder: Path) -> Source:
    if not folder.is_dir():
        raise DataError(
            f"{folder.name} is not at {folder}: unpack {folder.name}.zip there, or name another "
            "image folder with --dataset PATH"
        )
    return folder_source(folder)


def _looks_like_path(name: str) -> bool:
    separators = {os.sep, os.altsep or os.sep, "/"}
    return name.startswith((".", "~")) or name.endswith(".npz") or bool(separators & set(name))
