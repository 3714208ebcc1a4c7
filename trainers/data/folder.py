"""A data set in a folder of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from trainers.data.errors import DataError, one_line
from trainers.data.hashing import content_hash
from trainers.data.image_file import image_size, read_image
from trainers.data.images import check_square
from trainers.data.listing import Listing, list_folder
from trainers.data.raw import RawSet, RawSplit, Source

PIECE = 256  # images decoded at a time


def folder_source(root: Path) -> Source:
    """The images below ``root``, named after it. Raises ``DataError``; see ``listing``."""
    try:
        listing = list_folder(root)
    except OSError as error:
        raise DataError(f"cannot read {root}: {one_line(error)}") from None
    content = partial(_content, root, listing)
    return Source(root.resolve().name, content, partial(_read, root, listing))


def _content(root: Path, listing: Listing, memo: Path) -> str:
    try:
        return content_hash(root, listing.names, memo)
    except OSError as error:
        raise DataError(f"cannot read {root}: {one_line(error)}") from None


def _read(root: Path, listing: Listing) -> RawSet:
    first = root / listing.train[0][0]
    size = image_size(first)
    check_square(str(first), size[1], size[0])
    return RawSet(
        _split(root, listing.train, size), _split(root, listing.test, size), listing.classes
    )


def _split(root: Path, files: Sequence[tuple[str, int]], size: tuple[int, int]) -> RawSplit:
    names = [name for name, _ in files]
    labels = np.array([label for _, label in files], np.int64)
    return RawSplit((len(files), size[1], size[0], 3), labels, _decode(root, names, size))


def _decode(root: Path, names: Sequence[str], size: tuple[int, int]) -> Iterator[np.ndarray]:
    for start in range(0, len(names), PIECE):
        piece = names[start : start + PIECE]
        yield np.stack([read_image(root / name, size) for name in piece])
