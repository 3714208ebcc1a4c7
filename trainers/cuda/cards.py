"""What torch can do with the GPUs that it sees here.

    python -m trainers.cuda.cards

prints them as JSON, or on stderr in one line why it cannot use them. Run it in a process of its
own: it takes memory of every GPU as long as it lives.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch

from trainers.execution import NEW_GPU

Capability = tuple[int, int]


class GpuError(RuntimeError):
    """torch cannot use a GPU of this machine; one line with the remedy."""


@dataclass(frozen=True)
class Gpu:
    """A GPU: ``free`` in bytes; ``tf32`` and ``bfloat16`` where the card computes them, not where
    torch emulates the one or computes float32 for the other."""

    name: str
    capability: str
    free: int
    tf32: bool
    bfloat16: bool


def find_gpus() -> list[Gpu]:
    """Return the visible GPUs, each of which has just computed something. Raises ``GpuError``."""
    if torch.version.cuda is None:
        raise GpuError(
            f"a GPU is there, but torch {torch.__version__} is built for the CPU only; install "
            "a build of torch for CUDA"
        )
    try:
        torch.cuda.init()
        return [_gpu(index) for index in range(torch.cuda.device_count())]
    except GpuError:
        raise
    except (RuntimeError, AssertionError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise GpuError(
            f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, cannot use the GPU "
            f"({said[:200]}); install a driver and a build of torch that fit"
        ) from error


def _gpu(index: int) -> Gpu:
    name, capability = torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index)
    built_for = torch.cuda.get_arch_list()
    if not runs_on(capability, built_for):
        raise GpuError(
            f"{name} has compute capability {capability[0]}.{capability[1]}, but torch "
            f"{torch.__version__} is built for {', '.join(built_for)}; install a build for it"
        )
    torch.ones(1, device=f"cuda:{index}").add_(1)
    torch.cuda.synchronize(index)
    free, _ = torch.cuda.mem_get_info(index)
    with torch.cuda.device(index):
        computes = torch.cuda.is_bf16_supported(including_emulation=False)
    new = capability >= NEW_GPU
    return Gpu(name, "{}.{}".format(*capability), free, tf32=new, bfloat16=new and computes)


def runs_on(capability: Capability, built_for: Iterable[str]) -> bool:
    """Return whether code for one of ``built_for``, such as sm_80 and compute_90, runs on a card:
    machine code on its own major version from its minor one on, intermediate code (compute) on any
    newer. What ends in a letter is for that very card, with an f for its family."""
    for text in built_for:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", text)
        if not found:
            continue
        major, minor = int(found[2]), int(found[3])
        newer = capability >= (major, minor)
        if found[4] == "a":
            fits = capability == (major, minor)
        elif found[1] == "compute" and not found[4]:
            fits = newer
        else:
            fits = newer and capability[0] == major
        if fits:
            return True
    return False


def uuid_in_use(index: int = 0) -> str:
    """Return the UUID of this process's visible GPU ``index``, or part of one (MIG), as NVML writes
    it behind "GPU-" or "MIG-"; empty where torch reaches none."""
    return str(torch.cuda.get_device_properties(index).uuid) if torch.cuda.is_available() else ""


def main() -> None:
    try:
        print(json.dumps([asdict(card) for card in find_gpus()]))
    except GpuError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
