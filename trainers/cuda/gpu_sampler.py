"""What a trial uses of its GPUs: NVML's figures once a second, and its own memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from trainers.cuda.nvml import ask_nvml

MEGABYTE = 1024 * 1024
SECONDS_BETWEEN_SAMPLES = 1.0
OWN_PEAK = "gpu_own_peak_memory_mb"  # of this process, where other trials share the card
COUNTERS = ("gpu_energy_kj",)  # of which only the growth counts

Readings = Mapping[str, Callable[[], float]]


class GpuSampler:
    """Asks NVML once a second, in a thread, about this process's first ``count`` visible GPUs."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._samples: dict[str, list[float]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start sampling. What torch holds of the GPU now is where this process's own peak
        begins."""
        import torch

        if torch.cuda.is_initialized():
            torch.cuda.reset_peak_memory_stats()
        self._samples = {}
        self._ended.clear()
        self._thread = threading.Thread(target=ask_nvml, args=(self._watch, None), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def usage(self) -> dict[str, float]:
        """Return the peak, the growth or the mean of each figure, of those that the cards give, and
        the most that torch has reserved for this process, MiB."""
        import torch

        usage = {name: _of(name, values) for name, values in dict(self._samples).items() if values}
        if torch.cuda.is_initialized():
            usage[OWN_PEAK] = torch.cuda.max_memory_reserved() / MEGABYTE
        return usage

    def _watch(self, nvml: Any) -> None:
        readings = [_readings(nvml, _handle(nvml, index)) for index in range(self._count)]
        self._sample(nvml, readings, COUNTERS)  # nothing has been computed yet
        while not self._ended.wait(SECONDS_BETWEEN_SAMPLES):
            self._sample(nvml, readings)
        self._sample(nvml, readings)

    def _sample(
        self, nvml: Any, readings: Sequence[Readings], names: Sequence[str] | None = None
    ) -> None:
        """Sample all cards together; utilisation is their mean."""
        for name in names or readings[0]:
            with suppress(nvml.NVMLError):  # a figure that these cards do not give
                values = [of_card[name]() for of_card in readings]
                together = sum(values) / (len(values) if name == "gpu_utilization" else 1)
                self._samples.setdefault(name, []).append(together)


def _readings(nvml: Any, handle: Any) -> Readings:
    """Return utilisation in %, memory of the device in MiB, power in W, and the energy since the
    driver was loaded in kJ."""
    return {
        "gpu_utilization": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
        "gpu_peak_memory_mb": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used / MEGABYTE,
        "gpu_power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
        "gpu_energy_kj": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e6,
    }


def _of(name: str, values: Sequence[float]) -> float:
    if "peak" in name:
        return max(values)
    return values[-1] - values[0] if "energy" in name else sum(values) / len(values)


def _handle(nvml: Any, index: int) -> Any:
    """Return NVML's handle of the card that torch calls ``index``, by its UUID: NVML counts all
    cards, CUDA only the visible ones and in another order, and a part of a card (MIG) has no
    number. Where torch does not tell, go by what is visible."""
    from trainers.cuda.cards import uuid_in_use

    uuid = uuid_in_use(index)
    for kind in ("GPU-", "MIG-") if uuid else ():
        with suppress(nvml.NVMLError):
            return nvml.nvmlDeviceGetHandleByUUID(kind + uuid)
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    visible = names[index].strip() if index < len(names) else ""
    if visible.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(visible)
    return nvml.nvmlDeviceGetHandleByIndex(int(visible or index))
