"""A data set: as a source gives it, and as a trainer sees it once it is prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainers.validators import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 1024  # images copied at a time


class DataError(ConfigError):
    """Data that cannot be used; its text is one line: place, rule and, where known, remedy."""


@dataclass(frozen=True)
class RawSplit:
    """A split: ``shape`` (N, H, W, C); ``labels`` (N,) int64; ``pieces`` gives the images in order,
    uint8.

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


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images (N, H, W, C) uint8 and labels (N,) int64, for training and for test.

    ``mean`` and ``std`` have one value per channel, of the training images scaled to [0, 1];
    ``fingerprint`` is the SHA-256 of images, labels and classes, whatever the name.
    Raises ``DataError`` when shapes disagree or the images are not square.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    fingerprint: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        check_square(self.name, *self.train_images.shape[1:3])
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"{self.name}: test images must have the shape of the training images "
                f"{tuple(self.train_images.shape[1:])}, got {tuple(self.test_images.shape[1:])}"
            )

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def in_channels(self) -> int:
        return self.train_images.shape[3]

    @property
    def image_size(self) -> int:
        """Height and width, in pixels."""
        return self.train_images.shape[1]


def split_of(images: np.ndarray, labels: np.ndarray) -> RawSplit:
    """Return a split whose images (N, H, W, C) are in memory, or mapped, already."""
    count, height, width, channels = images.shape
    shape = (count, height, width, channels)
    pieces = [images[start : start + PIECE] for start in range(0, count, PIECE)]
    return RawSplit(shape, labels.astype(np.int64), pieces)


def check_square(where: str, height: int, width: int) -> None:
    """Check that images are square: the networks take no others."""
    if height != width:
        raise DataError(
            f"{where}: images must be square, got {height} x {width} pixels (height x width)"
        )


def one_line(error: BaseException) -> str:
    """Return what ``error`` says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
