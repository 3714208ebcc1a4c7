"""Batches of a data set that sits on the device as uint8: no loader processes, no copies.

What would take more than half of a GPU's free memory stays in its mapped file; its batches are
gathered there by the host and copied over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, starmap

import torch
from torch import Tensor

from trainers.augment import Draws, crop_and_flip, cut_out, draw
from trainers.config import TrainConfig
from trainers.cuda.memory import images_fit
from trainers.data import ImageData
from trainers.parallel.ranks import Ranks
from trainers.registry import NORMALIZATIONS
from trainers.seeds import derive_seed
from trainers.transforms import Mixing, Policy

Drawn = tuple[Tensor, Draws]
EVAL_PIXELS = 256 * 64 * 64  # at a time
EVAL_BATCH, EVAL_BATCH_ON_GPU = 256, 1024  # images; fewer batches are fewer launches


class Batches:
    """Gathers, augments and normalises whole batches of (N, H, W, C) uint8 images on ``device``.

    Pixels come out as float32 (N, C, H, W), those of training in ``dtype`` unless they are mixed,
    in channels-last memory if asked. ``on_batch`` is called before each batch of training,
    validation and test.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: ImageData,
        device: torch.device,
        channels_last: bool,
        ranks: Ranks | None = None,
        dtype: torch.dtype = torch.float32,
    ):
        self.config = config
        self.ranks = ranks or Ranks()
        self.device = device
        self.channels_last = channels_last
        images = data.train_images.nbytes + data.test_images.nbytes
        self.home = device if images_fit(images, device) else torch.device("cpu")
        self.train_images = data.train_images.to(self.home)
        self.train_labels = data.train_labels.to(device)
        self.test_images = data.test_images.to(self.home)
        self.test_labels = data.test_labels.to(device)
        self.on_batch: Callable[[], None] = _nothing
        self.eval_batch = eval_batch(config.batch_size, data.image_size, device)
        self._bounds: list[tuple[int, int]] = []
        self._drawer = ThreadPoolExecutor(1, "draws")
        self._ahead: tuple[int, Future[Drawn]] | None = None
        self._scale, self._shift = _affine(config, data, device)
        self._policy = Policy(config) if config.policy != "none" else None
        mixes = config.mixup or config.cutmix
        self._mixing = Mixing(config, data.num_classes) if mixes else None
        self._dtype = torch.float32 if mixes else dtype  # shares are added up in full precision

    def training(self, indices: Tensor, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch in its own order; see ``batch_bounds`` for the last.
        Labels are (N,) or, where images are mixed, each one's shares of the classes, (N, K).

        All random numbers of the epoch are drawn first, so no batch waits for the host.
        """
        n = len(indices)
        drawn, draws = self.drawn(indices, epoch)
        at_home, draws = drawn.to(self.home), draws.to(self.device)
        order = at_home.to(self.device)
        seeds = self._policy.seeds(n, epoch) if self._policy else []
        self._bounds = self.bounds(n)
        for step, (start, stop) in enumerate(starmap(self.ranks.share, self._bounds)):
            self.on_batch()
            images = self.images(at_home[start:stop], draws.take(start, stop), seeds[start:stop])
            labels = self.train_labels[order[start:stop]]
            if self._mixing:
                images, labels = self._mixing(images, labels, epoch, step)
                if self.channels_last:  # lost by torch.roll
                    images = images.contiguous(memory_format=torch.channels_last)
            yield images, labels

    def drawn(self, indices: Tensor, epoch: int) -> Drawn:
        """Return an epoch's order of the images, and its draws for each, on the host. Those of the
        next epoch of a GPU are drawn by another thread while it computes this one."""
        side, host_is_free = self.train_images.shape[1], self.device.type == "cuda"
        ahead, self._ahead = self._ahead, None
        if ahead and ahead[0] == epoch:
            drawn = ahead[1].result()
        else:
            drawn = draw_epoch(self.config, indices, side, epoch)
        if host_is_free and epoch < self.config.epochs:
            following = self._drawer.submit(draw_epoch, self.config, indices, side, epoch + 1)
            self._ahead = epoch + 1, following
        return drawn

    def steps(self, n: int) -> int:
        """Return the number of batches of an epoch of ``n`` images."""
        return len(self.bounds(n))

    def bounds(self, n: int) -> list[tuple[int, int]]:
        """Start and stop of every batch of an epoch of ``n`` images."""
        return batch_bounds(n, self.config.batch_size, smallest=2 * self.ranks.size)

    def weight(self, step: int, images: int) -> float:
        """Return how much more than an equal share the ``images`` of this process are in a
        batch."""
        start, stop = self._bounds[step]
        return images * self.ranks.size / (stop - start)

    def endless(self, indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of epoch 1, 2, … without end."""
        for epoch in count(1):
            yield from self.training(indices, epoch)

    def validation(self, indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the training images kept for validation, unchanged."""
        at_home = indices.to(self.home)
        labels = self.train_labels[at_home.to(self.device)].split(self.eval_batch)
        for chosen, their_labels in zip(at_home.split(self.eval_batch), labels, strict=True):
            self.on_batch()
            yield self._normalised(self._gathered(chosen)), their_labels

    def test(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the test images, unchanged."""
        at_once = self.eval_batch
        images, labels = self.test_images.split(at_once), self.test_labels.split(at_once)
        for some, their_labels in zip(images, labels, strict=True):
            self.on_batch()
            yield self._normalised(some.to(self.device)), their_labels

    def _gathered(self, chosen: Tensor) -> Tensor:
        """Return training images on the device, of indices at home: those of the device would be
        waited for."""
        return self.train_images.index_select(0, chosen).to(self.device)

    def images(self, chosen: Tensor, draws: Draws, seeds: Sequence[int] = ()) -> Tensor:
        """Return training images on the device, augmented; ``chosen`` indices are on the host."""
        moved = crop_and_flip(self._gathered(chosen), draws, self.config.crop_padding)
        if self._policy:
            moved = self._policy(moved, seeds)
        pixels = self._normalised(moved, self._dtype)
        return cut_out(pixels, draws, self.config.cutout_size)

    def _normalised(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return normalised images, computed by lines of pixels as they lie in memory; channel by
        channel takes 7 times as long."""
        lines = images.flatten(2).float()
        pixels = torch.addcmul(self._shift, lines, self._scale).view(images.shape)
        pixels = pixels.to(dtype).permute(0, 3, 1, 2)
        return pixels if self.channels_last else pixels.contiguous()


def draw_epoch(config: TrainConfig, indices: Tensor, side: int, epoch: int) -> Drawn:
    """Return the draws of an ``epoch`` of the images ``indices``, ``side`` pixels each; from a seed
    of its own and on the CPU, so that a GPU sees the same images."""
    seed = derive_seed(config.seed, "epoch", epoch, "data")
    generator = torch.Generator().manual_seed(seed)
    order = indices[torch.randperm(len(indices), generator=generator)]
    return order, draw(config, len(indices), side, generator)


def _nothing() -> None:
    """Nobody asked to hear of batches."""


def batch_bounds(n: int, batch_size: int, smallest: int = 2) -> list[tuple[int, int]]:
    """Start and stop of every batch of ``n`` images; the last may be smaller.

    Fewer than ``smallest`` images left over join the batch before them: BatchNorm cannot
    normalise by a single image.
    """
    starts = list(range(0, n, batch_size))
    if batch_size >= smallest and len(starts) > 1 and n - starts[-1] < smallest:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))


def eval_batch(batch_size: int, side: int, device: torch.device) -> int:
    """Return how many images are evaluated at a time: on the CPU 256 of up to 64 x 64 pixels, on a
    GPU 1024 of up to 32 x 32, of larger ones as many pixels; unless that is more, as many as are
    trained at once, which takes more memory than evaluating them."""
    most = EVAL_BATCH if device.type == "cpu" else EVAL_BATCH_ON_GPU
    return min(most, max(batch_size, EVAL_PIXELS // side**2))


def pixel_statistics(
    config: TrainConfig, data: ImageData
) -> tuple[Sequence[float], Sequence[float]]:
    """Return mean and standard deviation of each channel, of pixels in [0, 1], to normalise by."""
    given, channels = NORMALIZATIONS[config.normalize], data.in_channels
    if not given.mean:
        return data.mean, data.std
    repeat = channels if len(given.mean) == 1 else 1
    return given.mean * repeat, given.std * repeat


def _affine(config: TrainConfig, data: ImageData, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return scale and shift, each (W · C,), with (x / 255 − mean) / std = x · scale + shift for a
    line.

    A channel without spread is centred only.
    """
    mean, std = pixel_statistics(config, data)
    means = torch.tensor(mean, dtype=torch.float64).repeat(data.image_size)
    stds = torch.tensor(std, dtype=torch.float64).repeat(data.image_size)
    stds = torch.where(stds > 0, stds, 1)
    return (1 / (255 * stds)).float().to(device), (-means / stds).float().to(device)
