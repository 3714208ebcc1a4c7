"""A configuration of ours trained by the reports' loop: same network, images, loss and update."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.data import part_of
from benchmarks.peers import loop, sam
from search.autotune.devices import cpu_count
from trainers.batches import pixel_statistics
from trainers.config import TrainConfig
from trainers.data import ImageData, stratified_split
from trainers.models import build_model

ALL = 10**9


class Peer:
    """The report's loop, with every core for its one model."""

    def __init__(self, config: TrainConfig, folder: Path, train: int = ALL, test: int = ALL):
        torch.set_num_threads(cpu_count())
        data = part_of(folder, train, test)
        chosen, kept = stratified_split(data.train_labels, config.val_fraction, config.split_seed)
        self.images = len(chosen)
        self.model = build_model(
            config.to_dict(), data.num_classes, data.in_channels, data.image_size
        )
        mean, std = pixel_statistics(config, data)
        as_they_are = loop.plain(mean, std)
        moved = _transform(config, data, mean, std) or as_they_are
        self.training = loop.training_loader(
            _images(data.train_images, data.train_labels, chosen, moved), config.batch_size
        )
        self.validation = loop.evaluation_loader(
            _images(data.train_images, data.train_labels, kept, as_they_are), config.batch_size
        )
        everything = torch.arange(len(data.test_labels))
        self.test = loop.evaluation_loader(
            _images(data.test_images, data.test_labels, everything, as_they_are),
            config.batch_size,
        )
        self.loss, self.optimizer, self._train = _parts(config, self.model)

    def train_epoch(self) -> float:
        """Images a second of one epoch."""
        start = time.perf_counter()
        self._train(self.model, self.training, self.loss, self.optimizer)
        return self.images / (time.perf_counter() - start)

    def evaluate(self) -> float:
        """Images a second over the test images."""
        start = time.perf_counter()
        loop.accuracy(self.model, self.test)
        return len(self.test.dataset) / (time.perf_counter() - start)  # type: ignore[arg-type]


def _images(
    images: Tensor, labels: Tensor, chosen: Tensor, transform: Callable[[Any], Tensor]
) -> loop.ImageList:
    return loop.ImageList(images[chosen].numpy(), labels[chosen].numpy(), transform)


def _transform(
    config: TrainConfig, data: ImageData, mean: Sequence[float], std: Sequence[float]
) -> Callable[[Any], Tensor] | None:
    if config.augment == "none":
        return None
    assert config.augment == "crop_flip_cutout"
    return loop.augmented(mean, std, config.crop_padding, data.image_size, config.cutout_size)


TrainEpoch = Callable[[nn.Module, DataLoader, nn.Module, Any], float]


def _parts(
    config: TrainConfig, model: nn.Module
) -> tuple[nn.Module, torch.optim.Optimizer, TrainEpoch]:
    base: dict[str, Any] = {
        "lr": config.initial_lr,
        "momentum": config.momentum,
        "weight_decay": config.effective_weight_decay,
    }
    if config.optimizer == "sam":
        loss = sam.SmoothedKL(config.label_smoothing)
        return loss, sam.SAM(model.parameters(), config.rho, **base), sam.train_epoch
    return nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), **base), loop.train_epoch
