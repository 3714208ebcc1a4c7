"""What this machine has: cores, GPUs, and whether torch can use them. Imports no torch itself."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from search.autotune.child_processes import run_module
from search.common.errors import UserError
from trainers.cuda.nvml import ask_nvml

if TYPE_CHECKING:  # numpy, which importing search.api spares
    from trainers.data.prepared import Meta

HIDE = "hide the GPU with CUDA_VISIBLE_DEVICES=-1"
SHARE_OF_MEMORY = 0.5  # of what is free: images that take more stay with the host


@dataclass(frozen=True)
class Gpus:
    """What all GPUs of a run can do; ``free`` bytes on the one that has the least."""

    name: str
    capability: str
    free: float
    tf32: bool
    bfloat16: bool
    driver: str = ""

    def computes(self, precision: str) -> bool:
        return {"tf32": self.tf32, "bfloat16": self.bfloat16}.get(precision, True)


def cpu_count() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """Return how many GPUs NVML shows that CUDA_VISIBLE_DEVICES leaves visible: those before the
    first name that cannot be one."""
    count: int = ask_nvml(lambda nvml: nvml.nvmlDeviceGetCount(), 0)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return count
    names = (name.strip() for name in visible.split(","))
    return min(count, len(list(takewhile(lambda name: name not in ("", "-1"), names))))


def gpu_driver() -> str:
    """Return the version of the GPUs' driver, "" where NVML does not tell."""
    return ask_nvml(lambda nvml: str(nvml.nvmlSystemGetDriverVersion()), "")


def mps_runs() -> bool:
    """Return whether a daemon of NVIDIA's Multi-Process Service runs here: trials that share a card
    then compute there side by side, and not in turns."""
    return Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"), "control").exists()


def check_gpus(precision: str | None, every: bool = True) -> Gpus:
    """Return what the GPUs of this machine have in common, found by torch in a process of its own
    within some seconds. Raises ``UserError`` where torch cannot use one of them (of ``every`` one
    that NVML shows), or where one does not compute ``precision``."""
    what, instead = "check of the GPU", f"or {HIDE}"
    found = json.loads(run_module(["trainers.cuda.cards"], 1, what, instead)[0])
    if not found:
        raise UserError(f"NVML shows a GPU that torch does not see; {HIDE}")
    if every and len(found) < (shown := gpu_count()):
        raise UserError(
            f"NVML shows {shown} GPUs and torch sees {len(found)}, as of cards that are split "
            "(MIG); name one to use in CUDA_VISIBLE_DEVICES, by its UUID from `nvidia-smi -L`"
        )
    least: Mapping[str, str] = min(found, key=lambda g: (g["tf32"], g["bfloat16"], g["free"]))
    gpus = Gpus(
        name=least["name"],
        capability=least["capability"],
        free=min(gpu["free"] for gpu in found),
        tf32=all(gpu["tf32"] for gpu in found),
        bfloat16=all(gpu["bfloat16"] for gpu in found),
        driver=gpu_driver(),
    )
    if precision and not gpus.computes(precision):
        raise UserError(
            f"--precision {precision} needs a GPU of compute capability 8.0 or newer, {gpus.name} "
            f"has {gpus.capability} and does not compute it; choose --precision float32"
        )
    return gpus


def images_fit(gpus: Gpus, trials: int, data: Meta) -> bool:
    """Return whether so many ``trials`` on a GPU may all have their images there."""
    return trials * size_of_images(data) <= SHARE_OF_MEMORY * gpus.free


def size_of_images(data: Meta) -> int:
    """Return the size of the images in bytes."""
    shapes = data.shapes.items()
    return sum(math.prod(shape) for name, shape in shapes if name.endswith("_images"))


def lack_of_gpu_memory(gpus: Gpus, trials: int, data: Meta) -> str:
    """Return a line where the images of so many ``trials`` on one GPU are more than it takes, else
    ""."""
    if not data.shapes or images_fit(gpus, trials, data):
        return ""
    return (
        f"the images of {trials} trial(s) on a GPU, {trials * size_of_images(data) / 1e9:.1f} GB, "
        f"are more than half of the {gpus.free / 1e9:.1f} GB that are free there: some stay in the "
        "host's memory and are copied batch by batch"
    )
