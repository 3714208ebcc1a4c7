"""Batches: normalised as the formula says, every image once, an order of its own each epoch."""

from __future__ import annotations

import dataclasses
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.curves import same_curve
from trainers.batches import Batches, eval_batch
from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.trainer import Trainer

CPU = torch.device("cpu")


def numbered(n: int, side: int = 4, channels: int = 3) -> ImageData:
    """Random images; the label of each is its own number, so that it can be followed."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (n, side, side, channels), np.uint8))
    scaled = images.double() / 255
    return ImageData(
        name="numbered",
        train_images=images,
        train_labels=torch.arange(n),
        test_images=images.flip(0),
        test_labels=torch.arange(n).flip(0),
        classes=tuple(map(str, range(n))),
        fingerprint="",
        mean=tuple(scaled.mean(dim=(0, 1, 2)).tolist()),
        std=tuple(scaled.std(dim=(0, 1, 2), correction=0).tolist()),
    )


def batches(data: ImageData, channels_last: bool = True, **options) -> Batches:
    return Batches(TrainConfig(**{"batch_size": 8, **options}), data, CPU, channels_last)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_images_of_training_come_in_bfloat16_where_asked_unless_mixed(
    mixup: float, channels_last: bool
) -> None:
    options = {"batch_size": 8, "augment": "crop_flip_cutout", "mixup": mixup}
    config = TrainConfig(**options, crop_padding=1, cutout_size=2)
    data, chosen = numbered(20), torch.arange(20)
    whole = Batches(config, data, CPU, channels_last)
    rounded = Batches(config, data, CPU, channels_last, dtype=torch.bfloat16)
    expected = torch.float32 if mixup else torch.bfloat16
    for (images, _), (found, _) in zip(
        whole.training(chosen, 1), rounded.training(chosen, 1), strict=True
    ):
        assert found.dtype == expected
        assert torch.equal(found, images.to(expected))
        assert found.stride() == images.stride()
    for split in (rounded.validation(chosen), rounded.test()):
        assert next(split)[0].dtype == torch.float32


def labels_of(made, indices: Tensor, epoch: int) -> list[list[int]]:
    return [labels.tolist() for _, labels in made.training(indices, epoch)]


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize(
    ("normalize", "mean", "std"),
    [
        ("computed", None, None),
        ("half", (0.5,) * 3, (0.5,) * 3),
        ("cifar10", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    ],
)
def test_pixels_are_normalised(normalize, mean, std, channels_last) -> None:
    data = numbered(20)
    made = batches(data, channels_last, normalize=normalize)
    x = data.train_images.double().numpy()
    mean = mean or x.reshape(-1, 3).mean(axis=0) / 255
    std = std or x.reshape(-1, 3).std(axis=0) / 255
    expected = ((x / 255 - np.array(mean)) / np.array(std)).transpose(0, 3, 1, 2)
    for kind in (made.training(torch.arange(20), 1), made.validation(torch.arange(20))):
        for images, labels in kind:
            np.testing.assert_allclose(images, expected[labels], rtol=0, atol=2e-6)
    for images, labels in made.test():
        np.testing.assert_allclose(images, expected[labels], rtol=0, atol=2e-6)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert images.is_contiguous(memory_format=layout)
        assert images.dtype == torch.float32


def test_computed_statistics_give_mean_zero_and_spread_one() -> None:
    images = torch.cat([x for x, _ in batches(numbered(40)).validation(torch.arange(40))])
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    spread = images.std(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(spread, torch.ones(3), rtol=0, atol=1e-5)


def test_grey_images_take_computed_and_half() -> None:
    data = numbered(10, channels=1)
    half = torch.cat([x for x, _ in batches(data, normalize="half").test()])
    expected = data.test_images.permute(0, 3, 1, 2).double() / 255 * 2 - 1
    torch.testing.assert_close(half.double(), expected, rtol=0, atol=1e-6)


def test_a_channel_without_spread_is_zero_not_infinite() -> None:
    data = numbered(10)
    data.train_images[..., 1] = 77
    data = dataclasses.replace(
        data, mean=(data.mean[0], 77 / 255, data.mean[2]), std=(data.std[0], 0.0, data.std[2])
    )
    for images, _ in batches(data).validation(torch.arange(10)):
        assert images.isfinite().all()
        assert images[:, 1].abs().max() < 1e-6


def test_every_image_once_an_epoch_in_another_order_each_time() -> None:
    made, indices = batches(numbered(50)), torch.arange(0, 50, 2)
    first, second = labels_of(made, indices, 1), labels_of(made, indices, 2)
    for epoch in (first, second):
        assert sorted(chain(*epoch)) == indices.tolist()
        assert [len(batch) for batch in epoch] == [8, 8, 9]
    assert list(chain(*first)) != list(chain(*second))


def test_an_epoch_repeats_itself_whatever_came_before() -> None:
    data, indices = numbered(30), torch.arange(30)
    options = {"augment": "crop_flip_cutout", "cutout_size": 2, "crop_padding": 1}
    made = batches(data, **options)
    first = [images for images, _ in made.training(indices, 3)]
    labels_of(made, indices, 1)
    torch.rand(5)
    for other in (made, batches(data, **options)):
        again = [images for images, _ in other.training(indices, 3)]
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    differently = batches(data, seed=1, **options)
    assert labels_of(differently, indices, 3) != labels_of(made, indices, 3)


def test_order_does_not_depend_on_the_policy_nor_on_the_batch_size() -> None:
    data, indices = numbered(30), torch.arange(30)
    orders = [
        list(chain(*labels_of(batches(data, **options), indices, 1)))
        for options in ({}, {"augment": "crop_flip"}, {"batch_size": 30})
    ]
    assert orders[0] == orders[1] == orders[2]


def test_drawing_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    labels_of(batches(numbered(20), augment="crop_flip_cutout"), torch.arange(20), 1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [
        (17, 8, [8, 9]),  # one image left over joins the batch before
        (18, 8, [8, 8, 2]),
        (16, 8, [8, 8]),
        (9, 8, [9]),
        (8, 8, [8]),
        (3, 1, [1, 1, 1]),  # asked for
        (3, 2, [3]),
    ],
)
def test_no_batch_of_one_image_is_left_over(n: int, size: int, expected: list[int]) -> None:
    made = batches(numbered(n), batch_size=size)
    assert [len(batch) for batch in labels_of(made, torch.arange(n), 1)] == expected


def test_augmentation_is_for_training_alone() -> None:
    data = numbered(20, side=8)
    made = batches(data, augment="crop_flip_cutout", cutout_size=4, cutout_probability=1.0)
    plain = batches(data)
    every = torch.arange(20)
    pairs = ((made.test(), plain.test()), (made.validation(every), plain.validation(every)))
    for found, expected in pairs:
        for (x, _), (y, _) in zip(found, expected, strict=True):
            assert torch.equal(x, y)
    cut = torch.cat([images for images, _ in made.training(torch.arange(20), 1)])
    assert ((cut == 0).sum(dim=(1, 2, 3)) >= 3 * 2 * 2).all()


def test_zeros_of_the_cutout_come_after_normalisation() -> None:
    """A cut square is the mean colour: exactly 0, not the black of a pixel of 0."""
    data = numbered(20, side=8)
    made = batches(data, augment="crop_flip_cutout", cutout_size=8, cutout_probability=1.0)
    for images, _ in made.training(torch.arange(20), 1):
        black = torch.tensor([-m / s for m, s in zip(data.mean, data.std, strict=True)])
        assert (images == 0).any(dim=(1, 2, 3)).all()
        assert (images >= black[:, None, None] - 1e-5).all()


@pytest.mark.parametrize(
    ("batch_size", "side", "expected", "on_a_gpu"),
    [
        (8, 8, 256, 1024),
        (8, 32, 256, 1024),
        (8, 64, 256, 256),
        (8, 128, 64, 64),
        (8, 224, 20, 20),
        (100, 224, 100, 100),
        (2, 2000, 2, 2),
    ],
)
def test_large_images_are_evaluated_few_at_a_time(
    batch_size: int, side: int, expected: int, on_a_gpu: int
) -> None:
    """Never fewer than are trained at once: that takes more memory than to evaluate them."""
    assert eval_batch(batch_size, side, torch.device("cpu")) == expected
    assert eval_batch(batch_size, side, torch.device("cuda")) == on_a_gpu


class Elsewhere(torch.Tensor):
    """Host memory that counts what is taken from it, as a device's own would not."""

    taken = 0

    def index_select(self, dim: int, index: Tensor) -> Tensor:  # type: ignore[override]
        type(self).taken += len(index)
        return self.as_subclass(Tensor).index_select(dim, index)


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("name", DEVICES)
def test_a_data_set_that_is_fed_in_batches_gives_the_same_curve(
    name: str, digits: ImageData, tiny_config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(augment="crop_flip_cutout", crop_padding=1, cutout_size=4, epochs=2)
    curves, homes = [], []
    for answer in (True, False):
        monkeypatch.setattr(
            "trainers.batches.images_fit", lambda size, device, answer=answer: answer
        )
        trainer = Trainer(config, digits, Execution(device=name))
        homes.append(trainer.batches.home.type)
        curves.append([trainer.train_epoch() for _ in range(2)])
    assert homes == [name, "cpu"]
    assert same_curve(*curves)


def test_only_the_batch_leaves_the_host(digits: ImageData) -> None:
    Elsewhere.taken = 0
    images = digits.train_images.as_subclass(Elsewhere)
    made = batches(dataclasses.replace(digits, train_images=images))
    made.train_images = images
    first = next(made.training(torch.arange(100), 1))
    assert len(first[0]) == Elsewhere.taken == 8
