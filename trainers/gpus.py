"""What torch can do with the GPUs that it sees here, and how it is to compute on them.

    python -m trainers.gpus

prints them as JSON, or on stderr in one line why it cannot use them. Run it in a process of its
own: it takes memory of every GPU as long as it lives.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch

from trainers.execution import Execution

Capability = tuple[int, int]
ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")  # a user's own settings win
CONTEXT = 600 * 2**20  # bytes, about: what CUDA takes of a GPU for each process, beside torch


class GpuError(RuntimeError):
    """torch cannot use a GPU of this machine; one line with the remedy."""


@dataclass(frozen=True)
class Gpu:
    """``free`` in bytes; ``tf32`` and ``bfloat16`` where the card computes them, not where torch
    emulates the one or computes float32 for the other."""

    name: str
    capability: str
    free: int
    tf32: bool
    bfloat16: bool


def find_gpus() -> list[Gpu]:
    """The visible GPUs, each of which has just computed something. Raises ``GpuError``."""
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
    new = capability >= (8, 0)
    return Gpu(name, "{}.{}".format(*capability), free, tf32=new, bfloat16=new and computes)


def runs_on(capability: Capability, built_for: Iterable[str]) -> bool:
    """Whether code for one of ``built_for``, such as sm_80 and compute_90, runs on a card: machine
    code on its own major version from its minor one on, intermediate code (compute) on any newer.
    What ends in a letter is for that very card, with an f for its family."""
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
    """Of this process's visible GPU ``index``, or part of one (MIG), as NVML writes it behind
    "GPU-" or "MIG-"; empty where torch reaches none."""
    return str(torch.cuda.get_device_properties(index).uuid) if torch.cuda.is_available() else ""


def limit_memory(share: float) -> None:
    """Has this process take no more than its ``share`` of the memory of its GPU, CUDA's own part
    of it included: beyond that it is out of memory itself, and not whoever is beside it. Of a small
    share half is left for torch, in segments that grow: pieces of others that are too small for
    anything would count too. Those are chosen before torch first uses the GPU, or not at all."""
    if not any(name in os.environ for name in ALLOCATOR):
        os.environ[ALLOCATOR[0]] = "expandable_segments:True"
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(max(share / 2, share - CONTEXT / total))


def compute_as(execution: Execution) -> None:
    """Sets torch to ``execution``'s precision and determinism in this process; on the CPU, where
    neither depends on settings, nothing.

    TF32 only where it is asked for: cuDNN would use it for float32. Deterministic kernels need
    cuBLAS to have its workspace fixed before its first use. Memory is not filled for them: nothing
    here reads what it has not written. Without them cuDNN takes the fastest, found by timing.
    """
    if execution.device == "cpu":
        return
    tf32, exact = execution.precision == "tf32", execution.deterministic
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(exact)
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact


def main() -> None:
    try:
        print(json.dumps([asdict(card) for card in find_gpus()]))
    except GpuError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
