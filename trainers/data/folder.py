"""A data set in a folder of image files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from trainers.data.errors import DataError, one_line
from trainers.data.hashing import content_hash
from trainers.data.images import check_square
from trainers.data.listing import Listing, list_folder
from trainers.data.raw import RawSet, RawSplit, Source

PIECE = 2**24  # bytes decoded at a time, and at least one image
REMEDY = "--image-size N makes them so"
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
# Modes of 8 bits a channel or fewer; Pillow would clip the others (16 bits) without a word.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def folder_source(root: Path, side: int | None = None) -> Source:
    """The images below ``root``, named after it; with ``side``, each made square of so many pixels.
    Raises ``DataError``; see ``listing``."""
    try:
        listing = list_folder(root)
    except OSError as error:
        raise DataError(f"cannot read {root}: {one_line(error)}") from None

    def content(memo: Path) -> str:
        return content_hash(root, listing.names, memo) + (f" {side}" if side else "")

    read = partial(_read, root, listing, side)
    return Source(root.resolve().name, content, read, listing.remarks)


def _read(root: Path, listing: Listing, side: int | None) -> RawSet:
    first = root / listing.train[0][0]
    size = (side, side) if side else image_size(first)
    try:
        check_square(str(first), size[1], size[0])
    except DataError as error:
        raise DataError(f"{error}; {REMEDY}") from None
    train, test = (_split(root, part, size, bool(side)) for part in (listing.train, listing.test))
    return RawSet(train, test, listing.classes)


def _split(
    root: Path, files: Sequence[tuple[str, int]], size: tuple[int, int], fit: bool
) -> RawSplit:
    names = [name for name, _ in files]
    labels = np.array([label for _, label in files], np.int64)
    return RawSplit((len(files), size[1], size[0], 3), labels, _decode(root, names, size, fit))


def _decode(
    root: Path, names: Sequence[str], size: tuple[int, int], fit: bool
) -> Iterator[np.ndarray]:
    width, height = size
    count = max(1, PIECE // (width * height * 3))
    for start in range(0, len(names), count):
        some = names[start : start + count]
        piece = np.empty((len(some), height, width, 3), np.uint8)
        for place, name in zip(piece, some, strict=True):
            place[:] = read_image(root / name, size, fit)
        yield piece


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the file's header. Raises ``DataError``."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.size
    except _DAMAGE as error:
        raise _unreadable(path, error) from None


def read_image(path: Path, size: tuple[int, int], fit: bool = False) -> np.ndarray:
    """The pixels (H, W, 3) uint8; transparency is dropped.

    Raises ``DataError`` when the file is damaged or, unless it is to ``fit``, not of ``size``
    (width, height).
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if (fit or image.size == size) and image.mode in _MODES:
                return np.asarray(fitted(_to_rgb(image), size))
            found, mode = image.size, image.mode
    except _DAMAGE as error:
        raise _unreadable(path, error) from None
    if mode not in _MODES:
        raise DataError(f"{path}: images must have 8 bits a channel, got mode {mode}")
    raise DataError(
        f"{path}: all images must have one size, {size[0]} x {size[1]} pixels as the first, "
        f"got {found[0]} x {found[1]} (width x height); {REMEDY}"
    )


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of ``image`` in the proportions of ``size``, resized to it, bilinear."""
    if image.size == size:
        return image
    return ImageOps.fit(image, size, Image.Resampling.BILINEAR)


def _to_rgb(image: Image.Image) -> Image.Image:
    if "transparency" in image.info:  # Pillow warns when a palette's is dropped in one step
        image = image.convert("RGBA")
    return image.convert("RGB")


def _unreadable(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path}: not a readable image: {one_line(error)}")
