"""What a trial costs: NVML's figures of its GPU, or processor time and memory on the CPU."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from trainers.cuda.nvml import ask_nvml

MEGABYTE = 1024 * 1024
SECONDS_BETWEEN_SAMPLES = 1.0
OWN_PEAK = "gpu_own_peak_memory_mb"  # of this process, where other trials share the card
COUNTERS = ("gpu_energy_kj",)  # of which only the growth counts

Readings = Mapping[str, Callable[[], float]]


class ResourceMonitor:
    """Watches from ``start`` to ``stop``; ``usage()`` gives plain figures for the study.

    ``earlier`` is what a killed process of the same trial had used before; it is counted in, and
    so are the processes ``others`` of a data-parallel trial, as far as the system tells (Linux).
    """

    def __init__(
        self,
        device: str,
        earlier: Mapping[str, float] | None = None,
        others: Sequence[int] = (),
    ):
        self._gpu = _NvmlSampler(1 + len(others)) if device == "cuda" else None
        self._earlier = dict(earlier or {})
        self._others = dict.fromkeys(others, 0.0)  # processor time, by process
        self._cpu = self._wall = 0.0
        self._watching = False

    def start(self) -> None:
        _reset_peak_memory()
        self._cpu, self._wall = self._cpu_seconds(), time.perf_counter()
        self._watching = True
        if self._gpu:
            _count_own_memory_anew()
            self._gpu.start()

    def stop(self) -> None:
        if self._gpu:
            self._gpu.stop()
        self._earlier = self.usage()
        self._watching = False

    def usage(self) -> dict[str, float]:
        """cpu_seconds, wall_seconds, cpu_utilization (% of one core), peak_memory_mb; on a GPU
        gpu_utilization (%), gpu_power_w, gpu_peak_memory_mb and gpu_energy_kj, which are of the
        whole card, or of all cards of a data-parallel trial, and this process's
        gpu_own_peak_memory_mb. Nothing before the first start.
        """
        before = self._earlier
        if not self._watching:
            return dict(before)
        cpu = self._cpu_seconds() - self._cpu + before.get("cpu_seconds", 0.0)
        now = time.perf_counter() - self._wall
        wall = now + before.get("wall_seconds", 0.0)
        usage = before | {
            "cpu_seconds": cpu,
            "wall_seconds": wall,
            "cpu_utilization": 100 * cpu / wall if wall > 0 else 0.0,
            "peak_memory_mb": max(self._peak_memory(), before.get("peak_memory_mb", 0.0)),
        }
        gpu = {**self._gpu.usage(), **_own_memory()} if self._gpu else {}
        return usage | _with_earlier(gpu, before, share=now / wall if wall > 0 else 1.0)

    def _cpu_seconds(self) -> float:
        for pid, before in self._others.items():  # one that has ended has used what it had
            self._others[pid] = max(before, _cpu_seconds_of(pid))
        return time.process_time() + sum(self._others.values())

    def _peak_memory(self) -> float:
        """The sum of the processes' own peaks, MiB."""
        return _peak_memory() + sum(_peak_memory_of(pid) for pid in self._others)


def _with_earlier(
    gpu: Mapping[str, float], before: Mapping[str, float], share: float
) -> dict[str, float]:
    """Sums, peaks and means of both times together; now is ``share`` of the whole."""
    both = {}
    for name, value in gpu.items():
        earlier = before.get(name, 0.0 if "energy" in name else value)
        mean = share * value + (1 - share) * earlier
        both[name] = max(earlier, value) if "peak" in name else mean
        if "energy" in name:
            both[name] = earlier + value
    return both


class _NvmlSampler:
    """A thread that asks NVML once a second about this process's first visible GPUs."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._samples: dict[str, list[float]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._samples = {}
        self._ended.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _watch(self) -> None:
        """Without a driver that answers the trial goes on, and the figures are missing."""
        ask_nvml(self._sample_until_ended, None)

    def _sample_until_ended(self, nvml: Any) -> None:
        readings = [_readings(nvml, _nvml_handle(nvml, index)) for index in range(self._count)]
        self._sample(nvml, readings, COUNTERS)  # nothing has been computed yet
        while not self._ended.wait(SECONDS_BETWEEN_SAMPLES):
            self._sample(nvml, readings)
        self._sample(nvml, readings)

    def _sample(
        self, nvml: Any, readings: Sequence[Readings], names: Sequence[str] | None = None
    ) -> None:
        """Of all cards together; utilisation is their mean."""
        for name in names or readings[0]:
            with suppress(nvml.NVMLError):  # a figure that these cards do not give
                values = [of_card[name]() for of_card in readings]
                together = sum(values) / (len(values) if name == "gpu_utilization" else 1)
                self._samples.setdefault(name, []).append(together)

    def usage(self) -> dict[str, float]:
        """The peak, the growth or the mean of each figure, of those that the cards give."""
        return {name: _of(name, values) for name, values in dict(self._samples).items() if values}


def _readings(nvml: Any, handle: Any) -> Readings:
    """Utilisation in %, memory of the device in MiB, power in W, and the energy since the driver
    was loaded in kJ."""
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


def _nvml_handle(nvml: Any, index: int) -> Any:
    """Of the card that torch calls ``index``, by its UUID: NVML counts all cards, CUDA only the
    visible ones and in another order, and a part of a card (MIG) has no number. Where torch does
    not tell, by what is visible."""
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


def _count_own_memory_anew() -> None:
    """What torch holds of the GPU now is where the trial's own peak begins."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()


def _own_memory() -> dict[str, float]:
    """The most that torch has reserved for this process, MiB; nothing where it uses no GPU."""
    import torch

    if not torch.cuda.is_initialized():
        return {}
    return {OWN_PEAK: torch.cuda.max_memory_reserved() / MEGABYTE}


def _reset_peak_memory() -> None:
    """So that a warm worker's peak is this trial's own; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory() -> float:
    """Peak resident memory of this process in MiB."""
    peak = _peak_memory_of("self")
    if peak:
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peak_memory_of(process: int | str) -> float:
    """Peak resident memory of a process in MiB; 0 where the system does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _cpu_seconds_of(process: int) -> float:
    """Processor time of all threads of a process; 0 where the system does not tell."""
    with suppress(OSError):
        after_name = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        user, system = map(int, after_name[11:13])
        return (user + system) / os.sysconf("SC_CLK_TCK")
    return 0.0
