"""Images a second of training, in each way of computing, beside the card's own matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from benchmarks.gpu_check.check import Figures, Setting, expect
from search.autotune.gpu_probe import ON_A_CARD, round_of
from search.autotune.machine import mps_runs
from trainers import gpu_probe
from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared
from trainers.execution import PRECISIONS, Execution
from trainers.gpus import compute_as
from trainers.models import build_model
from trainers.models.summary import summarize

WRN = {"model": "wide_resnet", "optimizer": "sam", "rho": 0.1, "augment": "crop_flip_cutout"}
SMALL_CNN = "small CNN, batch 100"
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    SMALL_CNN: {"model": "lenet", "batch_size": 100},
    "ResNet-9, batch 100": {"model": "resnet9", "batch_size": 100},
    "ResNet-9, batch 512": {"model": "resnet9", "batch_size": 512},
    "WideResNet-16-4 with SAM, batch 128": {**WRN, "depth": 16, "width": 4, "batch_size": 128},
    "WideResNet-28-10 with SAM, batch 128": {**WRN, "depth": 28, "width": 10, "batch_size": 128},
    "WideResNet-34-10 with SAM, batch 128": {**WRN, "depth": 34, "width": 10, "batch_size": 128},
}
LARGE = ("WideResNet-28-10 with SAM, batch 128", "WideResNet-34-10 with SAM, batch 128")
# The least share of the card's own bfloat16 product, and images a second of all trials on it.
AIMS = {"WideResNet-28-10 with SAM, batch 128": 0.40, "ResNet-9, batch 512": 0.35}
AIM_AT_ONCE = 1e6
SIDE, SMALL_SIDE = 8192, 256


@dataclass(frozen=True)
class Row:
    """``share``: of the matrix product in bfloat16, what its convolutions and linear layers come
    to; both None where memory ran out, or no graph can be had, which ``why_not`` says."""

    network: str
    precision: str
    channels_last: bool
    graph: bool
    deterministic: bool
    images_per_second: float | None
    share: float | None
    why_not: str = ""


def throughput(setting: Setting) -> Figures:
    """Every precision and memory layout, kernel by kernel and as a graph; the fastest once more
    with ``deterministic``. Of the large networks channels last alone, and no float32."""
    data = open_prepared(setting.data)
    precisions = [p for p in PRECISIONS if setting.cuda or p != "tf32"]
    products = {precision: _product(setting, precision) for precision in precisions}
    rows: list[Row] = []
    for name in (SMALL_CNN,) if setting.smallest else NETWORKS:
        chosen = TrainConfig.from_mapping(NETWORKS[name])
        most = products["bfloat16"] / _operations(chosen, data)
        found = _rows(name, chosen, data, _ways(setting, precisions, name), most)
        best = max(found, key=lambda row: row.images_per_second or 0.0)
        expect(best.images_per_second is not None, f"{name} cannot be trained: {best.why_not}")
        exact = Execution(
            setting.device, best.precision, best.channels_last, deterministic=True, graph=best.graph
        )
        rows += [*found, *_rows(name, chosen, data, [exact], most)]
    return {
        "product_tflops": {name: _short(flops / 1e12) for name, flops in products.items()},
        "rows": [vars(row) for row in rows],
        "aims": {name: _reached(rows, name, aim) for name, aim in AIMS.items()},
    }


def _ways(setting: Setting, precisions: Sequence[str], name: str) -> list[Execution]:
    large = name in LARGE
    return [
        Execution(setting.device, precision, channels_last, graph=graph)
        for precision, channels_last, graph in product(
            [p for p in precisions if not large or p != "float32"],
            (True,) if large else (True, False),
            (False, True) if setting.cuda else (False,),
        )
    ]


def _rows(
    name: str, chosen: TrainConfig, data: ImageData, ways: Sequence[Execution], most: float
) -> list[Row]:
    found = gpu_probe.speeds(chosen, data, ways, lambda: None)
    return [
        Row(
            name,
            way.precision,
            way.channels_last,
            way.graph,
            way.deterministic,
            None if speed is None else _short(speed),
            None if speed is None else _short(speed / most),
            reason[:80],
        )
        for way, (speed, reason) in zip(ways, found, strict=True)
    ]


def _reached(rows: Sequence[Row], name: str, aim: float) -> dict[str, Any]:
    """The best share, and whether it is what was aimed at; None where it was not timed."""
    shares = [row.share for row in rows if row.network == name and row.share is not None]
    best = max(shares, default=None)
    return {"aim": aim, "share": best, "reached": best and best >= aim}


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
    """Images a second of the small CNN, of all trials on the device together: 1, 2, 4 and 8 of
    them, each in a process of its own. On a card each has its share of memory
    and trains kernel by kernel and as a graph."""
    chosen = TrainConfig.from_mapping(NETWORKS[SMALL_CNN])
    precisions = ("float32",) if setting.smallest else ("float32", "bfloat16")
    ways = [
        Execution(setting.device, precision, graph=graph)
        for precision, graph in product(precisions, (False, True) if setting.cuda else (False,))
    ]
    found: dict[str, dict[str, float]] = {}
    for count in ON_A_CARD[:2] if setting.smallest else ON_A_CARD:
        speeds = round_of(chosen, ways, count, setting.data)
        found[str(count)] = {
            f"{way.precision}{', graph' if way.graph else ''}": _short(speed)
            for way, speed in speeds.items()
        }
    best = max(max(speeds.values()) for speeds in found.values())
    reached = {"aim": AIM_AT_ONCE, "reached": best >= AIM_AT_ONCE} if setting.cuda else {}
    return {"images_per_second": found, "mps": mps_runs(), **reached}


def _short(figure: float) -> float:
    return float(f"{figure:.4g}")
