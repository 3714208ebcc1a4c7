"""Images a second of training, in each way of computing, beside the card's own matrix product."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.gpu_check.check import Figures, Setting, expect, needs_gpu
from search.planning.child_processes import run_module
from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared
from trainers.execution import PRECISIONS, Execution
from trainers.gpu_probe import speeds
from trainers.gpus import compute_as
from trainers.models import build_model
from trainers.models.summary import summarize
from trainers.probe import candidates

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
AT_ONCE = (1, 2, 4, 8)
SIDE, SMALL_SIDE = 8192, 256


@dataclass(frozen=True)
class Row:
    """``images_per_second`` is None where it could not be trained so, ``said`` why. ``share``: of
    the matrix product in the same precision, what its convolutions and linear layers come to."""

    network: str
    precision: str
    channels_last: bool
    graph: bool
    deterministic: bool
    images_per_second: float | None
    share: float | None
    said: str


def throughput(setting: Setting) -> Figures:
    """Every precision and memory layout, kernel by kernel and by a graph; the fastest once more
    with ``deterministic``."""
    data = open_prepared(setting.data)
    precisions = [p for p in PRECISIONS if setting.cuda or p != "tf32"]
    products = {precision: _product(setting, precision) for precision in precisions}
    rows: list[Row] = []
    for name in SMALLEST if setting.smallest else NETWORKS:
        chosen = TrainConfig.from_mapping(NETWORKS[name])
        found = _rows(name, chosen, data, _ways(setting), products)
        best = max(found, key=lambda row: row.images_per_second or 0)
        expect(best.images_per_second is not None, f"{name} cannot be trained: {best.said}")
        way = Execution(setting.device, best.precision, best.channels_last, deterministic=True)
        rows += [*found, *_rows(name, chosen, data, [way], products)]
    return {
        "product_tflops": {name: _short(flops / 1e12) for name, flops in products.items()},
        "rows": [vars(row) for row in rows],
    }


def _ways(setting: Setting) -> list[Execution]:
    graphs = (False, True) if setting.cuda else (False,)
    ways = candidates(Execution(setting.device))
    return [replace(way, graph=graph) for way in ways for graph in graphs]


def _rows(
    name: str,
    chosen: TrainConfig,
    data: ImageData,
    ways: Sequence[Execution],
    products: Mapping[str, float],
) -> list[Row]:
    rows, operations = [], _operations(chosen, data)
    timed = speeds(chosen, data, ways, lambda: None)
    for way, (speed, said) in zip(ways, timed, strict=True):
        share = None if speed is None else _short(speed * operations / products[way.precision])
        how = (way.precision, way.channels_last, way.graph, way.deterministic)
        rows.append(Row(name, *how, None if speed is None else _short(speed), share, said))
    return rows


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
    each in a process of its own, in float32 kernel by kernel and by a graph."""
    needs_gpu(setting, "a search's own probe does this")
    ways = [Execution(setting.device, graph=graph) for graph in (False, True)]
    found: dict[str, list[float]] = {"kernel by kernel": [], "by a graph": []}
    for count in AT_ONCE:
        meeting = setting.folder / f"{count} at once"
        meeting.mkdir()
        task = {
            "config": TrainConfig.from_mapping(NETWORKS["small CNN, batch 100"]).to_dict(),
            "data": str(setting.data),
            "ways": [way.to_dict() for way in ways],
            "count": count,
            "meeting": str(meeting),
        }
        printed = run_module(["trainers.gpu_probe", json.dumps(task)], count, "probe", "look at it")
        timings = [json.loads(output) for output in printed]
        for at, speeds_of_way in enumerate(found.values()):
            each = [timing[at] for timing in timings]
            expect(all(speed for speed, _ in each), f"{count} at once: {each}")
            speeds_of_way.append(_short(sum(speed for speed, _ in each)))
    return {"at_once": list(AT_ONCE), "images_per_second": found}


def _short(figure: float) -> float:
    return float(f"{figure:.4g}")
