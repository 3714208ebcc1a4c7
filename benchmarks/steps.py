"""Single steps: against a matrix product on the same threads, and SAM's against SGD's.

    python -m benchmarks.steps

A network's floating-point operations are 2 per multiply-accumulate of its convolutions and its
linear layer, three times that with the backward pass. The precision is the one that trains it
fastest; the matrix product is in the same precision.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import torch

from benchmarks.data import part_of, prepared
from benchmarks.harness import Aim, Case, Options, Sample, compare, main
from search.autotune.devices import cpu_count
from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.models.summary import summarize
from trainers.trainer import Trainer

NETWORKS: dict[str, dict[str, Any]] = {
    "WideResNet-28-10": {"model": "wide_resnet", "depth": 28, "width": 10, "batch_size": 16},
    "ResNet-50": {"model": "resnet", "depth": 50, "batch_size": 32},
}
SAM = {"model": "wide_resnet", "depth": 16, "width": 4, "batch_size": 128, "optimizer": "sam"}
SMALLEST = {"model": "wide_resnet", "depth": 10, "width": 1, "batch_size": 8}
SIDE, SMALL_SIDE = 4096, 256


def cases(options: Options) -> list[Case]:
    networks = {"WideResNet-10-1": SMALLEST} if options.smallest else NETWORKS
    sam = SAM | (SMALLEST if options.smallest else {})
    return [
        *(_against_a_product(options, name, network) for name, network in networks.items()),
        _sam_against_sgd(options, TrainConfig.from_mapping(sam)),
    ]


def _against_a_product(options: Options, name: str, network: dict[str, Any]) -> Case:
    config = TrainConfig.from_mapping(network)
    data = _images(options, config)
    speeds = {p: _passes(config, data, _execution(p)) for p in ("float32", "bfloat16")}
    for sample in speeds.values():
        sample()
    fastest = max(speeds, key=lambda precision: speeds[precision]())
    product = _product(options.of(SIDE, SMALL_SIDE), getattr(torch, fastest))
    product()
    label = f"{name} against a matrix product, {fastest}"
    return compare(label, "GFLOP/s", Aim("≥", 0.5), speeds[fastest], product, options.pairs)


def _execution(precision: str) -> Execution:
    return Execution(precision=precision, threads=cpu_count())


def _images(options: Options, config: TrainConfig) -> ImageData:
    return part_of(prepared(options), max(200, 2 * config.batch_size), 100)


def _passes(config: TrainConfig, data: ImageData, execution: Execution) -> Sample:
    """GFLOP/s of forward and backward."""
    trainer = Trainer(config, data, execution)
    images, labels = next(iter(trainer.batches.training(trainer.train_indices, 1)))
    macs = summarize(trainer.model, data.in_channels, data.image_size, 1).macs
    flops = 2 * 3 * macs * len(labels)
    trainer.model.train()
    enabled = execution.precision == "bfloat16"

    def speed() -> float:
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            logits = trainer.model(images)
        trainer.loss(logits, labels).mean().backward()
        elapsed = time.perf_counter() - start
        trainer.optimizer.zero_grad()
        return flops / elapsed / 1e9

    return speed


def _product(side: int, dtype: torch.dtype) -> Sample:
    """GFLOP/s of a square matrix product."""
    a, b = (torch.randn(side, side).to(dtype) for _ in range(2))

    def speed() -> float:
        start = time.perf_counter()
        torch.mm(a, b)
        return 2 * side**3 / (time.perf_counter() - start) / 1e9

    return speed


def _sam_against_sgd(options: Options, config: TrainConfig) -> Case:
    data = _images(options, config)
    sam, sgd = _seconds(config, data), _seconds(replace(config, optimizer="sgd"), data)
    sam(), sgd()
    name = f"SAM against SGD, WideResNet, batch {config.batch_size}"
    return compare(name, "s/step", Aim("≤", 2.05), sam, sgd, options.pairs)


def _seconds(config: TrainConfig, data: ImageData) -> Sample:
    """Of a step; its batch is drawn before."""
    trainer = Trainer(config, data, _execution("bfloat16"))
    images, labels = next(iter(trainer.batches.training(trainer.train_indices, 1)))
    trainer.model.train()

    def seconds() -> float:
        start = time.perf_counter()
        trainer.step(images, labels)
        return time.perf_counter() - start

    return seconds


if __name__ == "__main__":
    sys.exit(main("steps", "steps against a matrix product, SAM against SGD", cases))
