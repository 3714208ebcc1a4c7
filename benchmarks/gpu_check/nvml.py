"""Whether NVML says of a card what torch says of it."""

from __future__ import annotations

import time

import torch

from benchmarks.gpu_check.check import Setting, expect, needs_gpu, short
from benchmarks.gpu_check.settings import FEW, config, random_images
from trainers.execution import Execution
from trainers.resource_monitor import ResourceMonitor
from trainers.trainer import Trainer

MEBIBYTE = 2**20
SECONDS_OF_WORK = 4.0
CLOSE = 0.02  # of the card's memory
POWER = 0.35  # how far mean power, sampled once a second, may be from the counter


def nvml(setting: Setting) -> None:
    """Of a training of some seconds: a trial's own memory is torch's, the card's is CUDA's, and the
    energy is what the power comes to."""
    needs_gpu(setting, "NVML is not asked")
    trainer = Trainer(config("resnet9"), random_images(FEW), Execution("cuda"))
    trainer.train_epoch()
    monitor, start = ResourceMonitor("cuda"), time.perf_counter()
    monitor.start()
    while time.perf_counter() - start < SECONDS_OF_WORK:
        trainer.train_epoch()
    monitor.stop()
    seconds, usage = time.perf_counter() - start, monitor.usage()
    for name, figure in usage.items():
        setting.record(name, short(figure))
    reserved = torch.cuda.max_memory_reserved() / MEBIBYTE
    free, total = (figure / MEBIBYTE for figure in torch.cuda.mem_get_info())
    setting.record("torch_reserved_mb", short(reserved))
    setting.record("cuda_taken_mb", short(total - free))
    missing = {"gpu_own_peak_memory_mb", "gpu_peak_memory_mb"} - usage.keys()
    expect(not missing, f"NVML gave no {', '.join(sorted(missing))}")
    own, whole = usage["gpu_own_peak_memory_mb"], usage["gpu_peak_memory_mb"]
    expect(abs(own - reserved) < 1, f"own memory {own:.0f} MiB, torch has {reserved:.0f}")
    expect(
        abs(whole - (total - free)) < CLOSE * total and whole > own,
        f"NVML sees {whole:.0f} MiB taken, CUDA {total - free:.0f}",
    )
    power, energy = usage.get("gpu_power_w"), usage.get("gpu_energy_kj")
    if power and energy:
        watts = 1000 * energy / seconds
        near = abs(watts - power) <= POWER * power
        expect(near, f"{watts:.0f} W by the counter of energy, {power:.0f} W by samples")
