"""Whether torch reaches the GPUs that are to be used, before any worker starts."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from search.autotune import machine
from search.autotune.child_processes import run_module
from search.autotune.resources import Resources
from search.common.errors import UserError
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


def check_gpus(resources: Resources, precision: str | None) -> Gpus | None:
    """None where no GPU is used. Raises ``UserError`` where torch cannot use one, or where it does
    not compute ``precision``. Takes some seconds, in a process of its own."""
    if not resources.gpus_per_trial:
        if precision == "tf32":
            raise UserError("--precision tf32 needs a GPU, none is used; choose float32")
        return None
    what, instead = "check of the GPU", f"or {HIDE}"
    found = json.loads(run_module(["trainers.cuda.cards"], 1, what, instead)[0])
    if not found:
        raise UserError(f"NVML shows a GPU that torch does not see; {HIDE}")
    if len(found) < (shown := machine.gpu_count()) and resources.ray_address is None:
        raise UserError(
            f"NVML shows {shown} GPUs and torch sees {len(found)}, as of cards that are split "
            "(MIG); name one to use in CUDA_VISIBLE_DEVICES, by its UUID from `nvidia-smi -L`"
        )
    least = min(found, key=lambda gpu: (gpu["tf32"], gpu["bfloat16"], gpu["free"]))
    free = min(gpu["free"] for gpu in found)
    gpus = Gpus(
        least["name"],
        least["capability"],
        free,
        least["tf32"],
        least["bfloat16"],
        machine.gpu_driver(),
    )
    if not {"tf32": gpus.tf32, "bfloat16": gpus.bfloat16}.get(precision or "", True):
        raise UserError(
            f"--precision {precision} needs a GPU of compute capability 8.0 or newer, {gpus.name} "
            f"has {gpus.capability} and does not compute it; choose --precision float32"
        )
    return gpus


def images_fit(gpus: Gpus, trials: int, data: Meta) -> bool:
    """Whether so many ``trials`` on a GPU may all have their images there."""
    return trials * images_of(data) <= SHARE_OF_MEMORY * gpus.free


def images_of(data: Meta) -> int:
    """Bytes."""
    shapes = data.shapes.items()
    return sum(math.prod(shape) for name, shape in shapes if name.endswith("_images"))


def lack_of_gpu_memory(gpus: Gpus | None, resources: Resources, data: Meta) -> str:
    """A line where the images of all trials on one GPU are more than it takes, else empty."""
    if gpus is None or not data.shapes or images_fit(gpus, resources.on_a_gpu, data):
        return ""
    images = resources.on_a_gpu * images_of(data)
    return (
        f"the images of {resources.on_a_gpu} trial(s) on a GPU, {images / 1e9:.1f} GB, are more "
        f"than half of the {gpus.free / 1e9:.1f} GB that are free there: some stay in the host's "
        "memory and are copied batch by batch"
    )
