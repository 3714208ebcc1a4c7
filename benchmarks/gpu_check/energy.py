"""What an image of training costs in energy, against the plain loop on the same card."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import ConcatDataset, DataLoader

from benchmarks.gpu_check.check import Figures, Setting
from benchmarks.gpu_check.throughput import NETWORKS, SMALL_CNN
from benchmarks.peers import loop
from benchmarks.peers.recipe import Peer
from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.execution import Execution
from trainers.resource_monitor import ResourceMonitor
from trainers.trainer import Trainer

SECONDS, FEW_SECONDS = 6.0, 0.2
REPEATS = 34  # of the images: as many as CIFAR-10 has to train on
AIM = 0.25  # of the plain loop's
Train = Callable[[float], int]  # for so many seconds; returns the images


def energy(setting: Setting) -> Figures:
    """Of the small CNN: images a second and, on a GPU, joules an image by the card's own counter,
    of one trial as a search trains it by default and of the plain loop."""
    chosen = TrainConfig.from_mapping(NETWORKS[SMALL_CNN])
    seconds = FEW_SECONDS if setting.smallest else SECONDS
    ours = _measured(_ours(chosen, setting), seconds, setting.device)
    plain = _measured(_plain_loop(chosen, setting), seconds, setting.device)
    figures: Figures = {"ours": ours, "plain_loop": plain}
    if "joules" in ours and "joules" in plain:
        share = ours["joules"] / plain["joules"]
        figures |= {"share": float(f"{share:.3g}"), "aim": AIM, "reached": share <= AIM}
    return figures


def _measured(train: Train, seconds: float, device: str) -> dict[str, float]:
    train(seconds / 4)
    monitor = ResourceMonitor(device)
    monitor.start()
    start = time.perf_counter()
    images = train(seconds)
    speed = images / (time.perf_counter() - start)
    monitor.stop()
    kilojoules = monitor.usage().get("gpu_energy_kj")
    joules = {} if not kilojoules else {"joules": float(f"{1000 * kilojoules / images:.4g}")}
    return {"images_per_second": float(f"{speed:.4g}"), **joules}


def _ours(chosen: TrainConfig, setting: Setting) -> Train:
    precision = "bfloat16" if setting.cuda else "float32"
    way = Execution(setting.device, precision, graph=setting.cuda)
    trainer = Trainer(chosen, open_prepared(setting.data), way)
    steps = trainer.endless_steps()

    def train(seconds: float) -> int:
        end, images = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            images += sum(next(steps) for _ in range(50 if setting.cuda else 1))
            next(trainer.model.parameters()).sum().item()  # waits for the card
        return images

    return train


class _Until:
    """A loader's batches on the device, for so many seconds but at least one; ``images`` counts."""

    def __init__(self, loader: DataLoader, device: str, seconds: float):
        self._loader, self._device = loader, device
        self._seconds = seconds
        self.images = 0

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        batches = iter(self._loader)
        end = time.perf_counter() + self._seconds
        for images, labels in batches:
            self.images += len(labels)
            yield images.to(self._device), labels.to(self._device)
            if time.perf_counter() >= end:
                return


def _plain_loop(chosen: TrainConfig, setting: Setting) -> Train:
    peer = Peer(chosen, setting.data)
    peer.model.to(setting.device)
    dataset: ConcatDataset[Any] = ConcatDataset([peer.training.dataset] * REPEATS)
    loader = DataLoader(
        dataset, batch_size=chosen.batch_size, shuffle=True, num_workers=loop.WORKERS
    )

    def train(seconds: float) -> int:
        batches = _Until(loader, setting.device, seconds)
        loop.train_epoch(peer.model, batches, peer.loss, peer.optimizer)  # type: ignore[arg-type]
        return batches.images

    return train
