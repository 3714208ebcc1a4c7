"""What this machine has, asked without importing torch."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path


def gpu_count() -> int:
    """GPUs that NVML shows and CUDA_VISIBLE_DEVICES leaves visible: those before the first that
    cannot be one."""
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return count
    names = (name.strip() for name in visible.split(","))
    return min(count, len(list(takewhile(lambda name: name not in ("", "-1"), names))))


def gpu_driver() -> str:
    """The version of the GPUs' driver, empty where NVML does not tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
        driver = str(pynvml.nvmlSystemGetDriverVersion())
        pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ""
    return driver


def mps_runs() -> bool:
    """Return whether a daemon of NVIDIA's Multi-Process Service runs here: trials that share a card
    then compute there side by side, and not in turns."""
    return Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"), "control").exists()


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
