"""One image file, decoded to RGB."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from trainers.data.errors import DataError, one_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
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


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, from the file's header. Raises ``DataError``."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.size
    except _DAMAGE as error:
        raise _unreadable(path, error) from None


def read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The pixels (H, W, 3) uint8; transparency is dropped.

    Raises ``DataError`` when the file is damaged or not of ``size`` (width, height).
    """
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.size == size and image.mode in _MODES:
                return np.asarray(_to_rgb(image))
            found, mode = image.size, image.mode
    except _DAMAGE as error:
        raise _unreadable(path, error) from None
    if mode not in _MODES:
        raise DataError(f"{path}: images must have 8 bits a channel, got mode {mode}")
    raise DataError(
        f"{path}: all images must have one size, {size[0]} x {size[1]} pixels as the first, "
        f"got {found[0]} x {found[1]} (width x height)"
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    if "transparency" in image.info:  # Pillow warns when a palette's is dropped in one step
        image = image.convert("RGBA")
    return image.convert("RGB")


def _unreadable(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path}: not a readable image: {one_line(error)}")
