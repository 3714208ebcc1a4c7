"""Images a second of training, beside the card's own matrix product."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.gpu_check import settings
from benchmarks.gpu_check.check import Setting, expect, short
from search.autotune.devices import gpu_driver
from trainers.config import TrainConfig
from trainers.cuda.precision import compute_as
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.trainer import Trainer

SECONDS = 0.8  # of timing a way of training
SECONDS_A_WAIT = 0.05  # so many steps are waited for together: a wait for each would slow them down
CAPTURED = "captured"  # as a trainer's status says
WARM_UP = 8  # steps: kernels are chosen, and a graph is captured
Way = tuple[str, bool]  # precision, channels last

# The least share of the card's own bfloat16 product, or images a second, that is aimed at.
AIM_RESNET9, AIM_WIDE_RESNET, AIM_SMALL_CNN = 0.25, 0.40, 6e5


def ceilings(setting: Setting) -> None:
    """What card this is, how fast it copies, and its product of two square bfloat16 matrices."""
    if setting.cuda:
        properties = torch.cuda.get_device_properties(0)
        setting.record("card", properties.name)
        setting.record("memory_gib", short(properties.total_memory / 2**30))
        setting.record("driver", gpu_driver())
        setting.record("cuda", torch.version.cuda)
        setting.record("cudnn", torch.backends.cudnn.version())
    setting.record("torch", torch.__version__)
    size = setting.of(2**32, 2**22)
    source = torch.empty(size, dtype=torch.uint8, device=setting.device).random_()
    target = torch.empty_like(source)
    seconds = _seconds(lambda: target.copy_(source), setting)
    setting.record("copy_tb_per_second", short(2 * size / seconds / 1e12))
    for precision in ("float32", "tf32", "bfloat16") if setting.cuda else ("float32", "bfloat16"):
        setting.record(f"product_tflops/{precision}", short(_product(setting, precision) / 1e12))


def _product(setting: Setting, precision: str = "bfloat16") -> float:
    """Floating-point operations a second of a square matrix product."""
    compute_as(Execution(setting.device, precision))
    side = setting.of(8192, 256)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(side, side, device=setting.device).to(dtype) for _ in range(2))
    return 2 * side**3 / _seconds(lambda: torch.mm(a, b), setting)


def _seconds(work: Callable[[], Any], setting: Setting, times: int = 10) -> float:
    """Of one of ``times``, after two to warm up."""
    for _ in range(2):
        work()
    wait(setting)
    start = time.perf_counter()
    for _ in range(times):
        work()
    wait(setting)
    return (time.perf_counter() - start) / times


def wait(setting: Setting) -> None:
    if setting.cuda:
        torch.cuda.synchronize()


def small_cnn(setting: Setting) -> None:
    """Every precision and memory layout."""
    ways = [(p, last) for p in ("float32", "tf32", "bfloat16") for last in (True, False)]
    best = _rows(setting, "small CNN", settings.SMALL_CNN, ways)
    _aim(setting, "images_per_second", best["images_per_second"], AIM_SMALL_CNN)


def resnet9(setting: Setting) -> None:
    ways = [("bfloat16", True), ("tf32", True), ("bfloat16", False)]
    best = _rows(setting, "ResNet-9, batch 512", settings.RESNET9, ways)
    _aim(setting, "share", best["share"], AIM_RESNET9)


def wide_resnets(setting: Setting) -> None:
    """WideResNets with SAM, whose convolutions have the same shapes: kernels are chosen once."""
    ways = [("bfloat16", True), ("tf32", True)]
    best = _rows(setting, "WideResNet-28-10", settings.WRN_28_10, ways)
    _aim(setting, "share", best["share"], AIM_WIDE_RESNET)
    _rows(setting, "WideResNet-34-10", settings.WRN_34_10, ways[:1])


def _aim(setting: Setting, what: str, figure: float, aim: float) -> None:
    setting.record("aim", {what: aim, "reached": figure >= aim})


def _rows(
    setting: Setting, name: str, options: dict[str, Any], ways: Sequence[Way]
) -> dict[str, Any]:
    """Records each of ``ways`` of training a network, kernel by kernel and as a graph; returns the
    fastest."""
    chosen = settings.network(options, setting.smallest)
    data = settings.random_images(setting.of(settings.CIFAR10, 100))
    most = _product(setting) / settings.operations(chosen, data)
    rows = []
    for precision, channels_last in ways:
        if precision == "tf32" and not setting.cuda:
            continue
        for graph in (False, True) if setting.cuda else (False,):
            how = Execution(setting.device, precision, channels_last, graph=graph)
            row = _row(setting, chosen, data, how, most)
            layout = "channels last" if channels_last else "contiguous"
            launched = "graph" if graph else "eager"
            setting.record(f"{name}/{precision}, {layout}, {launched}", row)
            rows.append(row)
            _give_memory_back(setting)
    timed = [row for row in rows if "images_per_second" in row]
    expect(bool(timed), f"{name} cannot be trained: {rows[0].get('why_not')}")
    return max(timed, key=lambda row: row["images_per_second"])


def _row(
    setting: Setting, chosen: TrainConfig, data: ImageData, how: Execution, most: float
) -> dict[str, Any]:
    """Images a second and their share of ``most``; or why the network cannot be trained so."""
    start = time.perf_counter()
    try:
        trainer = Trainer(chosen, data, how)
        steps = trainer.endless_steps()
        found: dict[str, Any] = {}
        for _ in range(WARM_UP):
            next(steps)
            if not found and (not how.graph or trainer.graph_status == CAPTURED):
                wait(setting)
                found["seconds_to_first_step"] = short(time.perf_counter() - start)
        wait(setting)
        speed = timed(lambda: next(steps), setting)
    except (RuntimeError, MemoryError) as error:
        return {"why_not": (str(error).strip().splitlines() or ["no memory"])[0][:80]}
    found["graph"] = trainer.graph_status
    return {"images_per_second": short(speed), "share": short(speed / most), **found}


def timed(step: Callable[[], int], setting: Setting) -> float:
    """Images a second of steps, each of which returns how many images it trained on."""
    images, together, start, seconds = 0, 1, time.perf_counter(), 0.0
    while seconds < (0.1 if setting.smallest else SECONDS):
        images += sum(step() for _ in range(together))
        wait(setting)
        before, seconds = seconds, time.perf_counter() - start
        together = max(1, int(together * SECONDS_A_WAIT / (seconds - before)))
    return images / seconds


def _give_memory_back(setting: Setting) -> None:
    gc.collect()
    if setting.cuda:
        torch.cuda.empty_cache()
