"""What a trial costs: NVML's figures of its GPU, or processor time and memory on the CPU."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from trainers.cuda.gpu_sampler import GpuSampler


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
        self._gpu = GpuSampler(1 + len(others)) if device == "cuda" else None
        self._earlier = dict(earlier or {})
        self._others = dict.fromkeys(others, 0.0)  # processor time, by process
        self._cpu = self._wall = 0.0
        self._watching = False

    def start(self) -> None:
        _reset_peak_memory()
        self._cpu, self._wall = self._cpu_seconds(), time.perf_counter()
        self._watching = True
        if self._gpu:
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
        gpu = self._gpu.usage() if self._gpu else {}
        return usage | _with_earlier(gpu, before, share=now / wall if wall > 0 else 1.0)

    def _cpu_seconds(self) -> float:
        for pid, before in self._others.items():  # one that has ended has used what it had
            self._others[pid] = max(before, _cpu_seconds_of(pid))
        return time.process_time() + sum(self._others.values())

    def _peak_memory(self) -> float:
        """Return the sum of the processes' own peaks, MiB."""
        return _peak_memory() + sum(_peak_memory_of(pid) for pid in self._others)


def _with_earlier(
    gpu: Mapping[str, float], before: Mapping[str, float], share: float
) -> dict[str, float]:
    """Return sums, peaks and means of both times together; now is ``share`` of the whole."""
    both = {}
    for name, value in gpu.items():
        earlier = before.get(name, 0.0 if "energy" in name else value)
        mean = share * value + (1 - share) * earlier
        both[name] = max(earlier, value) if "peak" in name else mean
        if "energy" in name:
            both[name] = earlier + value
    return both


def _reset_peak_memory() -> None:
    """Reset the peak, so that a warm worker's is this trial's own; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory() -> float:
    """Return the peak resident memory of this process in MiB."""
    peak = _peak_memory_of("self")
    if peak:
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peak_memory_of(process: int | str) -> float:
    """Return the peak resident memory of a process in MiB; 0 where the system does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _cpu_seconds_of(process: int) -> float:
    """Return the processor time of all threads of a process; 0 where the system does not tell."""
    with suppress(OSError):
        after_name = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        user, system = map(int, after_name[11:13])
        return (user + system) / os.sysconf("SC_CLK_TCK")
    return 0.0
