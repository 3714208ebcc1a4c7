"""Images a second of training, in each way of computing, beside the card's own matrix product."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.gpu_check.check import Figures, Setting, needs_gpu
from search.planning.child_processes import run_module
from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared
from trainers.execution import PRECISIONS, Execution
from trainers.gpus import compute_as
from trainers.models import build_model
from trainers.models.summary import summarize
from trainers.probe import candidates, images_per_second

WRN = {"model": "wide_resnet", "optimizer": "sam", "rho": 0.1, "augment": "crop_flip_cutout"}
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "small CNN, batch 100": {"model": "lenet", "batch_size": 100},
    "ResNet-9, batch 100": {"model": "resnet9", "batch_size": 100},
    "ResNet-9, batch 512": {"model": "resnet9", "batch_size": 512},
    "WideResNet-16-4 with SAM, batch 128": {**WRN, "depth": 16, "width": 4, "batch_size": 128},
    "WideResNet-28-10 with SAM, batch 128": {**WRN, "depth": 28, "width": 10, "batch_size": 128},
    "WideResNet-34-10 with SAM, batch 128": {**WRN, "depth": 34, "width": 10, "batch_size": 128},
}
SMALLEST = ("small CNN, batch 100",)
SECONDS, FEW_SECONDS = 1.0, 0.05  # of each way
AT_ONCE = (1, 2, 4, 8)
SIDE, SMALL_SIDE = 8192, 256


@dataclass(frozen=True)
class Row:
    """``share``: of the matrix product in the same precision, what its convolutions and linear
    layers come to."""

    network: str
    precision: str
    channels_last: bool
    deterministic: bool
    images_per_second: float
    share: float


def throughput(setting: Setting) -> Figures:
    """Every precision and memory layout; the fastest once more with ``deterministic``."""
    data = open_prepared(setting.data)
    precisions = [p for p in PRECISIONS if setting.cuda or p != "tf32"]
    products = {precision: _product(setting, precision) for precision in precisions}
    rows: list[Row] = []
    for name in SMALLEST if setting.smallest else NETWORKS:
        chosen = TrainConfig.from_mapping(NETWORKS[name])
        found = [
            _row(name, chosen, data, way, products, setting)
            for way in candidates(Execution(setting.device))
        ]
        best = max(found, key=lambda row: row.images_per_second)
        way = Execution(setting.device, best.precision, best.channels_last, deterministic=True)
        rows += [*found, _row(name, chosen, data, way, products, setting)]
    return {
        "product_tflops": {name: _short(flops / 1e12) for name, flops in products.items()},
        "rows": [vars(row) for row in rows],
    }


def _row(
    name: str,
    chosen: TrainConfig,
    data: ImageData,
    way: Execution,
    products: Mapping[str, float],
    setting: Setting,
) -> Row:
    speed = images_per_second(chosen, data, way, FEW_SECONDS if setting.smallest else SECONDS)
    share = speed * _operations(chosen, data) / products[way.precision]
    how = (way.precision, way.channels_last, way.deterministic)
    return Row(name, *how, images_per_second=_short(speed), share=_short(share))


def _operations(chosen: TrainConfig, data: ImageData) -> float:
    """Of one image of training: 2 a multiply-accumulate, three times that with the backward pass,
    and all of it twice with SAM."""
    shape = (data.in_channels, data.image_size)
    model = build_model(chosen.to_dict(), data.num_classes, *shape)
    passes = 2 if chosen.optimizer.startswith("sam") else 1
    return 6.0 * passes * summarize(model, *shape, 1).macs


def _product(setting: Setting, precision: str) -> float:
    """Floating-point operations a second of a square matrix product."""
    compute_as(Execution(setting.device, precision))
    side = SMALL_SIDE if setting.smallest else SIDE
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, device=setting.device).to(dtype) for _ in range(2))
    return 2 * side**3 / _seconds(lambda: torch.mm(a, b), setting.cuda)


def _seconds(work: Callable[[], Any], cuda: bool, times: int = 10) -> float:
    """Of one of ``times``, after two to warm up."""
    for _ in range(2):
        work()
    wait: Callable[[], None] = torch.cuda.synchronize if cuda else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return (time.perf_counter() - start) / times


def trials_at_once(setting: Setting) -> Figures:
    """Images a second of the small CNN, of all trials on the card together: 1, 2, 4 and 8 of them,
    each in a process of its own, in the fastest way for so many."""
    needs_gpu(setting, "a search's own probe does this")
    task = {
        "config": TrainConfig.from_mapping(NETWORKS["small CNN, batch 100"]).to_dict(),
        "data": str(setting.data),
        "device": setting.device,
        "threads": 1,
    }
    found = {}
    for count in AT_ONCE:
        printed = run_module(["trainers.probe", json.dumps(task)], count, "probe", "look at it")
        found[str(count)] = _short(_fastest([json.loads(output) for output in printed]))
    return {"images_per_second": found}


def _fastest(timings: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    """The sum over processes of what each found, in the way in which that is most."""
    sums: dict[str, float] = {}
    for of_one in timings:
        for timing in of_one:
            way = json.dumps(timing["execution"], sort_keys=True)
            sums[way] = sums.get(way, 0.0) + timing["images_per_second"]
    return max(sums.values())


def _short(figure: float) -> float:
    return float(f"{figure:.4g}")
