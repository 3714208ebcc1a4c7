"""What card this is, and whether NVML says of it what torch says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import torch

from benchmarks.gpu_check.check import Figures, Setting, config, expect, needs_gpu
from trainers.data import open_prepared
from trainers.execution import Execution
from trainers.gpus import uuid_in_use
from trainers.resource_monitor import ResourceMonitor
from trainers.trainer import Trainer

MEBIBYTE = 2**20
SECONDS_OF_WORK = 4.0
CLOSE = 0.02  # of the card's memory
ENERGY = 0.35  # how far mean power, sampled once a second, may be from the counter


def card(device: str) -> dict[str, Any] | None:
    """Name, capability, memory, and the versions around it; None on the CPU."""
    if device != "cuda":
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "capability": f"{properties.major}.{properties.minor}",
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "cards": torch.cuda.device_count(),
        "uuid": uuid_in_use(),
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _driver() -> str | None:
    import pynvml

    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    return None


def reached(setting: Setting) -> Figures:
    """What a search asks before any worker starts."""
    needs_gpu(setting, "there is no card to reach")
    command = [sys.executable, "-m", "trainers.gpus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, (done.stderr.strip().splitlines() or ["no message"])[-1])
    return {"cards": json.loads(done.stdout)}


def nvml(setting: Setting) -> Figures:
    """Of a training of some seconds: a trial's own memory is torch's, the card's is CUDA's, and the
    energy is what the power comes to."""
    needs_gpu(setting, "NVML is not asked")
    trainer = Trainer(config("resnet9"), open_prepared(setting.data), Execution("cuda"))
    trainer.train_epoch()
    monitor = ResourceMonitor("cuda")
    monitor.start()
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS_OF_WORK:
        trainer.train_epoch()
    monitor.stop()
    seconds, usage = time.perf_counter() - start, monitor.usage()
    own, whole = usage.get("gpu_own_peak_memory_mb"), usage.get("gpu_peak_memory_mb")
    reserved = torch.cuda.max_memory_reserved() / MEBIBYTE
    free, total = (figure / MEBIBYTE for figure in torch.cuda.mem_get_info())
    expect(own is not None and whole is not None, f"NVML gave only {sorted(usage)}")
    assert own is not None
    assert whole is not None
    expect(abs(own - reserved) < 1, f"own memory {own:.0f} MiB, torch has {reserved:.0f}")
    expect(
        abs(whole - (total - free)) < CLOSE * total and whole > own,
        f"NVML sees {whole:.0f} MiB taken, CUDA {total - free:.0f}",
    )
    figures = {"own_mib": own, "card_mib": whole, "cuda_mib": total - free, "seconds": seconds}
    power, energy = usage.get("gpu_power_w"), usage.get("gpu_energy_kj")
    if power and energy:
        watts = 1000 * energy / seconds
        near = abs(watts - power) <= ENERGY * power
        expect(near, f"{watts:.0f} W by the counter of energy, {power:.0f} W by samples")
        figures |= {"sampled_w": power, "counted_w": watts}
    busy = usage.get("gpu_utilization")
    figures |= {} if busy is None else {"utilization": busy}
    return {name: round(figure, 1) for name, figure in figures.items()}
