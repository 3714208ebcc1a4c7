"""Several trials on one card at a time, and what an image of training costs in energy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import torch
from torch import nn

from benchmarks.gpu_check import settings
from benchmarks.gpu_check.check import Setting, short
from benchmarks.gpu_check.throughput import WARM_UP, timed, wait
from trainers.cuda.memory import limit_memory
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.models import build_model
from trainers.resource_monitor import ResourceMonitor
from trainers.trainer import Trainer

AIM_AT_ONCE = 2e6  # images a second of all trials on the card
AIM_ENERGY = 0.25  # of the plain loop's
SECONDS_TO_MEET = 60.0
MPS = "CUDA_MPS_PIPE_DIRECTORY"
Train = Callable[[float], int]  # for so many seconds; returns the images

_meeting: Barrier | None = None  # of a process that times beside others


def trials_at_once(setting: Setting) -> None:
    """Images a second of the small CNN, of all trials on the device together: each in a process of
    its own, on a card with its share of memory and by a graph. Through NVIDIA's MPS where its
    daemon runs."""
    setting.record("mps", Path(os.environ.get(MPS, "/tmp/nvidia-mps")).exists())
    best = 0.0
    for together in (1, 2) if setting.smallest else (1, 4, 8):
        context = get_context("spawn")
        ready = context.Barrier(together)
        with ProcessPoolExecutor(together, context, _meet_at, (ready,)) as pool:
            speeds = list(pool.map(_speed, [setting] * together, [1 / together] * together))
        setting.record(f"images_per_second/{together}", short(sum(speeds)))
        best = max(best, sum(speeds))
    setting.record("aim", {"images_per_second": AIM_AT_ONCE, "reached": best >= AIM_AT_ONCE})


def _meet_at(barrier: Barrier) -> None:
    global _meeting
    _meeting = barrier


def _speed(setting: Setting, share: float) -> float:
    assert _meeting is not None
    if setting.cuda and share < 1:
        limit_memory(share)
    trainer = _small_cnn(setting)
    steps = trainer.endless_steps()
    for _ in range(WARM_UP):
        next(steps)
    wait(setting)
    _meeting.wait(SECONDS_TO_MEET)
    return timed(lambda: next(steps), setting)


def _small_cnn(setting: Setting) -> Trainer:
    chosen = settings.network(settings.SMALL_CNN, setting.smallest)
    how = Execution(setting.device, "tf32" if setting.cuda else "float32", graph=setting.cuda)
    return Trainer(chosen, _images(setting), how)


def _images(setting: Setting) -> ImageData:
    return settings.random_images(setting.of(settings.CIFAR10, 100))


def energy(setting: Setting) -> None:
    """Of the small CNN: images a second and, on a GPU, joules an image by the card's own counter,
    of one trial and of the plain loop."""
    joules = {}
    for name, make in {"one trial": _trial, "the plain loop": _plain_loop}.items():
        images_per_second, joules[name] = _measured(make(setting), setting)
        setting.record(f"{name}/images_per_second", short(images_per_second))
        setting.record(f"{name}/joules_an_image", short(joules[name]) or None)
    ours, plain = joules.values()
    if plain:
        share = short(ours / plain)
        setting.record("aim", {"share": AIM_ENERGY, "reached": share <= AIM_ENERGY, "is": share})


def _measured(train: Train, setting: Setting) -> tuple[float, float]:
    """Images a second, and joules an image: 0 where nothing counts them."""
    seconds = 0.2 if setting.smallest else 5.0
    train(seconds / 4)
    monitor = ResourceMonitor(setting.device)
    monitor.start()
    start = time.perf_counter()
    images = train(seconds)
    speed = images / (time.perf_counter() - start)
    monitor.stop()
    return speed, 1000 * monitor.usage().get("gpu_energy_kj", 0.0) / images


def _trial(setting: Setting) -> Train:
    steps = _small_cnn(setting).endless_steps()

    def train(seconds: float) -> int:
        end, images = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            images += sum(islice(steps, setting.of(50, 1)))
            wait(setting)
        return images

    return train


def _plain_loop(setting: Setting) -> Train:
    """The reports' loop, on the same images."""
    from benchmarks.peers import loop

    data, chosen = _images(setting), settings.network(settings.SMALL_CNN, setting.smallest)
    model = build_model(chosen.to_dict(), data.num_classes, data.in_channels, data.image_size)
    model.to(setting.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=chosen.lr, momentum=chosen.momentum)
    listed = loop.ImageList(
        data.train_images.numpy(), data.train_labels.numpy(), loop.plain(data.mean, data.std)
    )
    loader, loss = loop.training_loader(listed, chosen.batch_size), nn.CrossEntropyLoss()

    def train(seconds: float) -> int:
        end, images = time.perf_counter() + seconds, 0
        batches = (batch for _ in count() for batch in loader)
        while time.perf_counter() < end:
            batch = [tensor.to(setting.device) for tensor in next(batches)]
            images += len(batch[1])
            loop.train_epoch(model, [batch], loss, optimizer)  # type: ignore[arg-type]
        return images

    return train
