"""Whole-batch augmentation on the device, from draws made for a whole epoch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.config import TrainConfig
from trainers.registry import AUGMENTATIONS


@dataclass(frozen=True)
class Draws:
    """The random decisions for ``n`` images; each tensor is (n,), unused ones are None."""

    crop_top: Tensor | None
    crop_left: Tensor | None
    flip: Tensor | None
    cut_top: Tensor | None
    cut_left: Tensor | None

    def take(self, start: int, stop: int) -> Draws:
        """Return the draws of images ``start`` to ``stop``."""
        return self.each(lambda part: part[start:stop])

    def to(self, device: torch.device) -> Draws:
        return self.each(lambda part: part.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> Draws:
        """Return what ``change`` makes of every tensor that is used."""
        return Draws(*(None if part is None else change(part) for part in self.parts()))

    def copy_(self, others: Draws) -> None:
        """Takes over the values of ``others``, of the same kinds, in place."""
        for mine, other in zip(self.parts(), others.parts(), strict=True):
            if mine is not None and other is not None:
                mine.copy_(other)

    def parts(self) -> tuple[Tensor | None, ...]:
        return self.crop_top, self.crop_left, self.flip, self.cut_top, self.cut_left


def draw(config: TrainConfig, n: int, side: int, generator: torch.Generator) -> Draws:
    """Draws for ``n`` square images of ``side`` pixels under the policy of ``config``.

    Crop: the offset is uniform over the padded image. Flip: p = 0.5. Cutout: with its
    probability one square, left and top uniform in [−s/2, side − s/2 − 1], so that it may hang
    over the border (report E); an image that is spared gets a square outside itself.
    """
    chosen = AUGMENTATIONS[config.augment]
    crop_top = crop_left = flip = cut_top = cut_left = None
    if chosen.crop:
        high = 2 * config.crop_padding + 1
        crop_top = torch.randint(high, (n,), generator=generator)
        crop_left = torch.randint(high, (n,), generator=generator)
    if chosen.flip:
        flip = torch.rand(n, generator=generator) < 0.5
    if chosen.cutout:
        low = -(config.cutout_size // 2)
        cut_top = torch.randint(low, side + low, (n,), generator=generator)
        cut_left = torch.randint(low, side + low, (n,), generator=generator)
        spared = torch.rand(n, generator=generator) >= config.cutout_probability
        cut_top = torch.where(spared, side, cut_top)
    return Draws(crop_top, crop_left, flip, cut_top, cut_left)


def crop_and_flip(images: Tensor, draws: Draws, padding: int) -> Tensor:
    """Moves and mirrors uint8 images (N, H, W, C); the border that comes in is black."""
    if draws.crop_top is None and draws.flip is None:
        return images
    n, side = images.shape[0], images.shape[1]
    line = torch.arange(side, device=images.device)
    rows, columns = line.expand(n, side), line.expand(n, side)
    if draws.flip is not None:
        columns = torch.where(draws.flip[:, None], side - 1 - columns, columns)
    if draws.crop_top is not None and draws.crop_left is not None:
        images = torch.nn.functional.pad(images, (0, 0, padding, padding, padding, padding))
        rows = rows + draws.crop_top[:, None]
        columns = columns + draws.crop_left[:, None]
    image = torch.arange(n, device=images.device)[:, None, None]
    return images[image, rows[:, :, None], columns[:, None, :]]


def cut_out(pixels: Tensor, draws: Draws, size: int) -> Tensor:
    """Sets one square of normalised images (N, C, H, W) to 0, in place."""
    if draws.cut_top is None or draws.cut_left is None:
        return pixels
    line = torch.arange(pixels.shape[-1], device=pixels.device)
    row = (line >= draws.cut_top[:, None]) & (line < draws.cut_top[:, None] + size)
    column = (line >= draws.cut_left[:, None]) & (line < draws.cut_left[:, None] + size)
    return pixels.masked_fill_((row[:, :, None] & column[:, None, :])[:, None], 0)
