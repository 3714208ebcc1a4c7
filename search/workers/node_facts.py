"""What a node computes with, as it says itself. This runs on the node, and on the driver's."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trainers.cuda.nvml import ask_nvml
from trainers.execution import NEW_GPU

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")  # as Linux calls what computes it; arm's last


@dataclass(frozen=True)
class NodeFacts:
    """``versions`` are those that matter; ``cpu`` and ``gpu`` are kinds: what has the same text
    computes the same bits. ``cpu_bfloat16`` and ``new_gpu``: the CPU computes bfloat16 and the GPUs
    bfloat16 and tf32, not by software. ``gpu`` is empty where there is none. ``sees_results``: the
    driver's file was found in the results folder."""

    name: str
    versions: Mapping[str, str]
    cpu: str
    cpu_bfloat16: bool = False
    gpu: str = ""
    new_gpu: bool = False
    sees_results: bool = True

    def kind(self, device: str) -> str:
        """Return the kind of ``device``, cpu or cuda."""
        return self.gpu if device == "cuda" else self.cpu


def facts_here(name: str, sees_results: bool = True) -> NodeFacts:
    """Return the facts of this process's machine."""
    vendor, flags = _cpu()
    computes = [flag for flag in BFLOAT16 if flag in flags]
    gpus: list[tuple[str, tuple[int, int]]] = ask_nvml(_gpus, [])
    return NodeFacts(
        name,
        versions_here(),
        cpu=" ".join([vendor, torch_capability(), *computes]),
        cpu_bfloat16=bool(computes),
        gpu=" and ".join(sorted({name for name, _ in gpus})),
        new_gpu=bool(gpus) and all(tuple(capability) >= NEW_GPU for _, capability in gpus),
        sees_results=sees_results,
    )


def versions_here() -> dict[str, str]:
    """Return the versions that curves or Ray depend on."""
    import torch

    release, _, build = torch.__version__.partition("+")
    return {
        "torch": release,
        "torch's build": build or "none",
        "Python": platform.python_version(),
        "Ray": version("ray"),
        "CUDA": str(torch.version.cuda),
    }


def torch_capability() -> str:
    """Return the instructions of the CPU that torch's own kernels use."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def _cpu() -> tuple[str, set[str]]:
    """Return the CPU's vendor and what it can do: MKL computes otherwise on another vendor's."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine(), set()
    vendor = re.search(r"^vendor_id\s*:\s*(\S+)", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)", text, re.MULTILINE)
    return vendor[1] if vendor else platform.machine(), set((flags[1] if flags else "").split())


def _gpus(nvml: Any) -> list[tuple[str, tuple[int, int]]]:
    """Return name and compute capability of each, from NVML: Ray hides GPUs from a task that uses
    none."""
    handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
    return [
        (str(nvml.nvmlDeviceGetName(card)), nvml.nvmlDeviceGetCudaComputeCapability(card))
        for card in handles
    ]
