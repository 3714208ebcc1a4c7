"""What a training takes from its start to its end, and a step by its kernels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiled

from benchmarks.gpu_check import settings
from benchmarks.gpu_check.check import Setting, short
from benchmarks.gpu_check.throughput import WARM_UP, wait
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.runs.training_run import TrainingRun
from trainers.trainer import Trainer

PROFILED = 5  # steps
LONG = 200  # epochs of the report's own training
AIM_FIRST_STEP = 1.5  # s
# What a kernel does, by a part of its name; the first that is found.
KINDS = {
    "optimiser": ("multi_tensor", "fused_sgd", "foreach"),
    "BatchNorm": ("batch_norm", "batchnorm", "bn_fw", "bn_bw"),
    "pooling": ("pool",),
    "convolution": ("conv", "xmma", "wgrad", "dgrad", "fprop", "implicit", "winograd", "cudnn"),
    "product": ("gemm", "cutlass", "nvjet", "cublas", "addmm", "aten::mm"),
    "cast and copy": ("copy", "memcpy", "memset", "aten::to", "fill"),
    "gather": ("index", "gather", "scatter"),
    "sums": ("reduce", "softmax", "nll", "aten::sum", "norm"),
    "elementwise": ("elementwise", "aten::"),
}


def warm_start(setting: Setting) -> None:
    """Seconds from a task to its first step, of a run in a process that has trained another."""
    chosen = settings.network(settings.RESNET9 | {"epochs": 1}, setting.smallest)
    data = settings.prepared_images(setting.folder, setting.of(settings.CIFAR10, 100))
    how = Execution(setting.device, best_precision(setting), graph=setting.cuda)
    for name in ("first", "second"):
        seconds = _first_step(chosen, data, how, setting.folder / name)
        setting.record(f"seconds_to_first_step/{name}", short(seconds))
    setting.record("aim", {"seconds": AIM_FIRST_STEP, "reached": seconds <= AIM_FIRST_STEP})


def _first_step(chosen: TrainConfig, data: Path, how: Execution, folder: Path) -> float:
    """Seconds from the start of a run of one epoch to the end of its first step."""
    ends: list[float] = []
    start = time.perf_counter()
    run = TrainingRun(chosen, data, how, folder)
    run.trainer.on_step = lambda images: ends.append(time.perf_counter())
    for _ in run.results():
        pass
    return ends[0] - start


def best_precision(setting: Setting) -> str:
    """Of a large network."""
    return "bfloat16" if setting.cuda else "float32"


def full_scale(setting: Setting) -> None:
    """WideResNet-34-10 with SAM on as many images as CIFAR-10 has, epoch by epoch."""
    chosen = settings.network(settings.WRN_34_10 | {"epochs": LONG}, setting.smallest)
    data = settings.random_images(setting.of(settings.CIFAR10, 100))
    how = Execution(setting.device, best_precision(setting), graph=setting.cuda)
    trainer = Trainer(chosen, data, how)
    for epoch in range(1, setting.of(3, 2) + 1):
        result = trainer.train_epoch()
        seconds = result.seconds + result.val_seconds
        setting.record(f"seconds_an_epoch/{epoch}", short(seconds))
        setting.record(f"hours_of_{LONG}_epochs", short(LONG * seconds / 3600))


def profile(setting: Setting) -> None:
    """Five eager steps of two networks: milliseconds a step by what their kernels do."""
    for name, options in {"ResNet-9": settings.RESNET9, "WRN-28-10": settings.WRN_28_10}.items():
        chosen = settings.network(options, setting.smallest)
        data = settings.random_images(setting.of(settings.CIFAR10, 100))
        trainer = Trainer(chosen, data, Execution(setting.device, best_precision(setting)))
        steps = trainer.endless_steps()
        for _ in range(WARM_UP):
            next(steps)
        wait(setting)
        start = time.perf_counter()
        kernels = _kernels(partial(next, steps), setting)
        setting.record(f"{name}/step_ms", short(1000 * (time.perf_counter() - start) / PROFILED))
        kinds: dict[str, float] = {}
        for kernel, seconds in kernels.items():
            kinds[kind_of(kernel)] = kinds.get(kind_of(kernel), 0.0) + seconds
        for kind, seconds in sorted(kinds.items(), key=lambda item: -item[1]):
            setting.record(f"{name}/{kind}_ms", short(1000 * seconds))
        longest = sorted(kernels.items(), key=lambda item: -item[1])[:8]
        setting.record(f"{name}/longest", {k[:90]: short(1000 * s) for k, s in longest})


def _kernels(step: Callable[[], int], setting: Setting) -> Mapping[str, float]:
    """Seconds a step in each kernel; on the CPU in each operation."""
    kind = ProfilerActivity.CUDA if setting.cuda else ProfilerActivity.CPU
    with profiled(activities=[kind]) as done:
        for _ in range(PROFILED):
            step()
        wait(setting)
    found = {}
    for event in done.key_averages():
        if not setting.cuda:
            found[event.key] = event.self_cpu_time_total / 1e6 / PROFILED
        elif event.device_type.name == "CUDA":
            found[event.key] = event.self_device_time_total / 1e6 / PROFILED
    return {name: seconds for name, seconds in found.items() if seconds > 0}


def kind_of(kernel: str) -> str:
    """What a kernel of this name does, as far as it tells."""
    name = kernel.lower()
    fits = (kind for kind, parts in KINDS.items() if any(part in name for part in parts))
    return next(fits, "other")
