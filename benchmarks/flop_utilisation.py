"""Model FLOP utilisation: forward and backward against a matrix product on the same threads.

    python -m benchmarks.flop_utilisation

A network's floating-point operations are 2 per multiply-accumulate of its convolutions and its
linear layer, three times that with the backward pass. The precision and the memory layout are
those that train it fastest; the matrix product is in the same precision.
"""

from __future__ import annotations

import sys
import time

import torch

from benchmarks.data import part_of, prepared
from benchmarks.harness import Aim, Case, Options, Sample, compare, main
from search.autotune.machine import cpu_count
from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.models.summary import summarize
from trainers.probe import candidates
from trainers.trainer import Trainer

AIM = Aim("≥", 0.5)
NETWORKS = {
    "WideResNet-28-10": ({"model": "wide_resnet", "depth": 28, "width": 10}, 16),
    "ResNet-50": ({"model": "resnet", "depth": 50}, 32),
}
SMALLEST = {"WideResNet-10-1": ({"model": "wide_resnet", "depth": 10, "width": 1}, 8)}
SIDE, SMALL_SIDE = 4096, 256


def cases(options: Options) -> list[Case]:
    networks = SMALLEST if options.smallest else NETWORKS
    return [_case(options, name, *network) for name, network in networks.items()]


def _case(options: Options, name: str, network: dict[str, object], batch: int) -> Case:
    data = part_of(prepared(options), max(200, 2 * batch), 100)
    config = TrainConfig.from_mapping({**network, "batch_size": batch})
    ways = candidates(Execution(threads=cpu_count()))
    speeds = {way: _passes(config, data, way) for way in ways}
    for sample in speeds.values():
        sample()
    fastest = max(ways, key=lambda way: speeds[way]())
    layout = "channels last" if fastest.channels_last else "contiguous"
    label = f"{name}, batch {batch}, {fastest.precision}, {layout}"
    product = _product(options.of(SIDE, SMALL_SIDE), getattr(torch, fastest.precision))
    product()
    return compare(label, "GFLOP/s", AIM, speeds[fastest], product, options.pairs)


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


if __name__ == "__main__":
    sys.exit(main("flop_utilisation", "model FLOP utilisation", cases))
