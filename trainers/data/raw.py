"""A data set as a source gives it, before it is written to the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PIECE = 1024  # images decoded or copied at a time


@dataclass(frozen=True)
class RawSplit:
    """``shape`` (N, H, W, C); ``labels`` (N,) int64; ``pieces`` gives the images in order, uint8.

    Pieces, so that a large folder never has to fit into memory.
    """

    shape: tuple[int, int, int, int]
    labels: np.ndarray
    pieces: Iterable[np.ndarray]


@dataclass(frozen=True)
class RawSet:
    """Both splits and the names of the classes, in the order of their labels."""

    train: RawSplit
    test: RawSplit
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    ``content`` identifies what would be read, without decoding it; it gets the folder for memos.
    ``read`` decodes. Both raise ``DataError``. ``remarks`` say, a line each, what is left out.
    """

    name: str
    content: Callable[[Path], str]
    read: Callable[[], RawSet]
    remarks: tuple[str, ...] = ()


def split_of(images: np.ndarray, labels: np.ndarray) -> RawSplit:
    """A split whose images (N, H, W, C) are in memory already."""
    count, height, width, channels = images.shape
    shape = (count, height, width, channels)
    pieces = [images[start : start + PIECE] for start in range(0, count, PIECE)]
    return RawSplit(shape, labels.astype(np.int64), pieces)
