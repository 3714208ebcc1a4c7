"""A data set as a trainer sees it: images and labels of both splits, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainers.data.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor


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


def check_square(where: str, height: int, width: int) -> None:
    """The networks take square images only."""
    if height != width:
        raise DataError(
            f"{where}: images must be square, got {height} x {width} pixels (height x width)"
        )
