"""Whether trainings give the same curves: in any process, killed, by a graph, data parallel; and
whether a trial that fails leaves the next one alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from benchmarks.gpu_check.check import Setting, expect, short
from benchmarks.gpu_check.faulty import DEVICE_ASSERT, OUT_OF_MEMORY
from benchmarks.gpu_check.settings import config, prepared_images, random_config
from benchmarks.gpu_check.space import NETWORK
from benchmarks.gpu_check.throughput import CAPTURED
from benchmarks.gpu_check.trainings import (
    curve,
    curves_of,
    joined,
    killed_and_resumed,
    processes,
    same,
    trained,
)
from search.study.messages import Message, Task
from search.workers.train_task import train_task
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.models import MODELS

SHARE = 0.25  # of the card's memory
PARALLEL_TOLERANCE = 1e-2  # of a loss: the processes' sums are rounded otherwise
ADAMW = {"optimizer": "adamw", "ema_decay": 0.9, "clip_norm": 1.0, "schedule": "one_cycle"}
FIRST = "lenet"


def _settings(setting: Setting) -> dict[str, TrainConfig]:
    """Every named model with SAM and all randomness, and AdamW with averaged weights."""
    names = [FIRST] if setting.smallest else sorted(MODELS, key=lambda name: name != FIRST)
    epochs = setting.of(3, 2)
    adamw = config(FIRST, epochs=epochs, batch_size=300, **ADAMW)
    return {name: random_config(name, epochs) for name in names} | {"lenet, AdamW": adamw}


def bit_for_bit(setting: Setting) -> None:
    """The same curves twice in one process, in a second one, and after a kill in the midst of an
    epoch; on a GPU with ``deterministic``."""
    how, data = Execution(setting.device, deterministic=True), prepared_images(setting.folder)
    settings = _settings(setting)
    with processes(1) as pool:
        second = pool.submit(curves_of, list(settings.values()), how, data)
        expected = {}
        for name, chosen in settings.items():
            expected[name], again = curves_of([chosen, chosen], how, data)
            same(name, expected[name], again, "twice in one process")
            setting.record(f"twice in one process/{name}", "the same")
        for name, found in zip(settings, second.result(), strict=True):
            same(name, expected[name], found, "in another process")
            setting.record(f"in another process/{name}", "the same")
    before, found = killed_and_resumed(settings[FIRST], how, data, setting.folder / "cut")
    same(FIRST, expected[FIRST], found, "killed and resumed")
    setting.record("killed and resumed after epochs", before)


def graphs(setting: Setting) -> None:
    """Steps launched as one graph learn what they do launched kernel by kernel: the same curves
    bit for bit with deterministic kernels, also killed and resumed. The CPU has no graphs: there
    the same is trained twice."""
    eager, data = Execution(setting.device, deterministic=True), prepared_images(setting.folder)
    by_graph = replace(eager, graph=True)
    settings, expected = _settings(setting), {}
    for name, chosen in settings.items():
        (expected[name],) = curves_of([chosen], eager, data)
        trainer = trained(chosen, by_graph, data)
        status = trainer.graph_status
        expect(status == CAPTURED or not setting.cuda, f"{name} was not captured: {status}")
        same(name, expected[name], curve(trainer.history), "by a graph")
        setting.record(f"the same/{name}", status)
    before, found = killed_and_resumed(settings[FIRST], by_graph, data, setting.folder / "cut")
    same(FIRST, expected[FIRST], found, "killed and resumed by a graph")
    setting.record("killed and resumed after epochs", before)


def failing_trials(setting: Setting) -> None:
    """A trial that takes more than its share of memory ends for that reason, and the same process
    trains the next one. After a kernel's failed assert the card is lost to its process, and the
    worker says so; on the CPU the same index is the trial's own failure."""
    data = str(prepared_images(setting.folder))
    full = _last_message(setting, OUT_OF_MEMORY, data)
    expect(type(full).__name__ == "OutOfMemory", f"where memory ran out: {full}")
    if setting.cuda:
        allowed = SHARE * torch.cuda.get_device_properties(0).total_memory / 2**30
        taken = torch.cuda.max_memory_reserved() / 2**30
        expect(taken <= allowed, f"{taken:.2f} GiB were taken, its share is {allowed:.2f}")
        setting.record("taken_gib", {"taken": short(taken), "share": short(allowed)})
    after = _last_message(setting, 64, data)
    expect(type(after).__name__ == "Completed", f"the next trial: {after}")
    setting.record("where memory ran out", "the next trial completes")
    lost = "DeviceLost" if setting.cuda else "Failed"
    broken = _last_message(setting, DEVICE_ASSERT, data)
    expect(type(broken).__name__ == lost, f"where an assert failed, not {lost}: {broken}")
    setting.record("where an assert failed", lost)


def _last_message(setting: Setting, batch_size: int, data: str) -> Message:
    """Of a trial of the faulty network, from a search's worker."""
    chosen = TrainConfig(model=NETWORK, batch_size=batch_size, epochs=1).to_dict()
    folder = setting.folder / f"faulty {batch_size}"
    task = Task(batch_size, chosen, Execution(setting.device).to_dict(), data, str(folder))
    return list(train_task(task, SHARE if setting.cuda else 0.0))[-1]


def data_parallel(setting: Setting) -> None:
    """Two processes learn what one does: with NCCL where there are two cards, else with gloo, both
    on the one device. The network has no BatchNorm, which each process has for itself."""
    over = "cuda" if setting.cuda and torch.cuda.device_count() > 1 else "cpu"
    setting.record("over", "NCCL, two cards" if over == "cuda" else f"gloo, one {setting.device}")
    chosen, data = config(FIRST, epochs=1, batch_size=200), prepared_images(setting.folder)
    two, meeting = Execution(setting.device, processes=2), setting.folder / "meeting"
    with processes(2) as pool:
        ranks = [pool.submit(joined, chosen, two, data, meeting, over, rank) for rank in (0, 1)]
        (expected,) = curves_of([chosen], Execution(setting.device), data)
        first, second = (rank.result() for rank in ranks)
    same(FIRST, first, second, "in the two processes")
    worst = max(_difference(a, b) for a, b in zip(first, expected, strict=True))
    expect(worst <= PARALLEL_TOLERANCE, f"losses of two processes and of one: {first}, {expected}")
    setting.record("largest_difference", short(worst))


def _difference(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Of the losses; infinite where one is no number."""
    share = abs(one["train_loss"] - other["train_loss"]) / other["train_loss"]
    return share if math.isfinite(share) else math.inf
