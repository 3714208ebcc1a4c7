"""Augmentation against torchvision image by image; the draws' ranges and shares."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as tv

from trainers.augment import Draws, crop_and_flip, cut_out, draw
from trainers.config import TrainConfig

MANY = 40_000


def draws_of(n: int, side: int, seed: int = 0, **options) -> Draws:
    config = TrainConfig(**{"augment": "crop_flip_cutout", **options})
    return draw(config, n, side, torch.Generator().manual_seed(seed))


def random_images(n: int, side: int, channels: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    shape = (n, side, side, channels)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def reference(images: Tensor, draws: Draws, padding: int) -> Tensor:
    """torchvision's pad, crop and mirror of one image after another."""
    side, out = images.shape[1], []
    for i, image in enumerate(images.permute(0, 3, 1, 2)):
        if draws.crop_top is not None and draws.crop_left is not None:
            top, left = int(draws.crop_top[i]), int(draws.crop_left[i])
            image = tv.crop(tv.pad(image, [padding]), top, left, side, side)
        if draws.flip is not None and draws.flip[i]:
            image = tv.hflip(image)
        out.append(image)
    return torch.stack(out).permute(0, 2, 3, 1)


@pytest.mark.parametrize("policy", ["none", "flip", "crop_flip", "crop_flip_cutout"])
@pytest.mark.parametrize(("side", "channels", "padding"), [(32, 3, 4), (8, 1, 1), (5, 3, 7)])
def test_crop_and_flip_are_torchvisions(policy, side, channels, padding) -> None:
    images = random_images(64, side, channels)
    draws = draws_of(64, side, augment=policy, crop_padding=padding)
    moved = crop_and_flip(images, draws, padding)
    assert moved.dtype == torch.uint8
    assert torch.equal(moved, reference(images, draws, padding))


def test_the_border_that_comes_in_is_black() -> None:
    images = torch.full((1, 6, 6, 3), 255, dtype=torch.uint8)
    corner = Draws(torch.tensor([0]), torch.tensor([4]), None, None, None)
    moved = crop_and_flip(images, corner, padding=2)
    assert (moved[0, :2] == 0).all()
    assert (moved[0, :, 4:] == 0).all()
    assert (moved[0, 2:, :4] == 255).all()


def test_no_policy_draws_and_touches_nothing() -> None:
    draws = draws_of(16, 32, augment="none")
    assert draws == Draws(None, None, None, None, None)
    images = random_images(16, 32, 3)
    pixels = images.permute(0, 3, 1, 2).float()
    assert torch.equal(crop_and_flip(images, draws, 4), images)
    assert torch.equal(cut_out(pixels.clone(), draws, 16), pixels)


@pytest.mark.parametrize(("policy", "parts"), [("flip", 1), ("crop_flip", 3)])
def test_a_policy_draws_its_parts_alone(policy: str, parts: int) -> None:
    draws = draws_of(16, 32, augment=policy)
    assert sum(part is not None for part in vars(draws).values()) == parts
    assert draws.flip is not None
    assert draws.cut_top is None


@pytest.mark.parametrize("padding", [1, 4])
def test_crop_offsets_are_uniform_over_the_padded_image(padding: int) -> None:
    draws = draws_of(MANY, 32, crop_padding=padding)
    for offsets in (draws.crop_top, draws.crop_left):
        assert_uniform(offsets, 0, 2 * padding)
    assert not torch.equal(draws.crop_top, draws.crop_left)


def test_half_of_the_images_are_mirrored() -> None:
    assert float(draws_of(MANY, 32).flip.float().mean()) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize(
    ("side", "size", "low", "high"),
    [(32, 16, -8, 23), (8, 4, -2, 5), (32, 5, -2, 29), (64, 16, -8, 55)],
)
def test_cutout_offsets_are_those_of_report_e(side: int, size: int, low: int, high: int) -> None:
    """Left and top from −size/2 to side − size/2 − 1: −8 … 23 for 16 pixels of 32."""
    draws = draws_of(MANY, side, cutout_size=size, cutout_probability=1.0)
    for offsets in (draws.cut_top, draws.cut_left):
        assert_uniform(offsets, low, high)
    assert not torch.equal(draws.cut_top, draws.cut_left)


def assert_uniform(values: Tensor | None, low: int, high: int) -> None:
    """Both ends are seen, and no value more or less often than chance would have it."""
    assert values is not None
    assert (int(values.min()), int(values.max())) == (low, high)
    counts = torch.bincount(values - low, minlength=high - low + 1).double()
    expected = MANY / (high - low + 1)
    assert float((counts - expected).abs().max()) < 5 * expected**0.5


@pytest.mark.parametrize("probability", [0.0, 0.25, 0.5, 1.0])
def test_a_share_of_the_images_is_cut(probability: float) -> None:
    draws = draws_of(4000, 8, cutout_size=4, cutout_probability=probability)
    pixels = cut_out(torch.ones(4000, 1, 8, 8), draws, 4)
    share = float((pixels == 0).any(dim=(1, 2, 3)).float().mean())
    assert share == pytest.approx(probability, abs=0.03 if 0 < probability < 1 else 0)


def test_the_cut_is_one_square_of_zeros_that_may_hang_over_the_border() -> None:
    draws = draws_of(500, 12, cutout_size=6, cutout_probability=0.5)
    cut = cut_out(torch.ones(500, 3, 12, 12), draws, 6)
    for image, top, left in zip(cut, draws.cut_top.tolist(), draws.cut_left.tolist(), strict=True):
        expected = torch.ones(3, 12, 12)
        if top < 12:
            expected[:, max(top, 0) : top + 6, max(left, 0) : left + 6] = 0
        assert torch.equal(image, expected)


def test_a_part_of_the_draws_belongs_to_a_part_of_the_images() -> None:
    images = random_images(20, 8, 3)
    draws = draws_of(20, 8, crop_padding=2)
    whole = crop_and_flip(images, draws, 2)
    assert torch.equal(crop_and_flip(images[7:15], draws.take(7, 15), 2), whole[7:15])


def test_the_same_seed_draws_the_same() -> None:
    some, again, other = draws_of(50, 32), draws_of(50, 32), draws_of(50, 32, seed=1)
    for name, value in vars(some).items():
        assert torch.equal(value, getattr(again, name))
        assert not torch.equal(value, getattr(other, name))
