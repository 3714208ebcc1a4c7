"""What a trial costs: plausible figures on the CPU, and NVML's from a stand-in for the driver."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trainers.resource_monitor import ResourceMonitor

CPU_FIGURES = {"cpu_seconds", "wall_seconds", "cpu_utilization", "peak_memory_mb"}


def work(seconds: float) -> None:
    """Keeps one core busy for ``seconds`` of processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_figures_of_the_cpu_are_plausible() -> None:
    monitor = ResourceMonitor("cpu")
    monitor.start()
    work(0.05)
    usage = monitor.usage()
    monitor.stop()
    assert set(usage) == CPU_FIGURES
    assert 0.04 <= usage["cpu_seconds"] < 5  # the kernel rounds processor time
    assert usage["wall_seconds"] >= 0.04
    expected = 100 * usage["cpu_seconds"] / usage["wall_seconds"]
    assert usage["cpu_utilization"] == pytest.approx(expected)
    assert 10 < usage["peak_memory_mb"] < 100_000


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's figures")
def test_other_processes_of_a_trial_are_counted_in() -> None:
    script = (
        "import time; print(1, flush=True); input(); end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\n"
        "print(2, flush=True); input()"
    )
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        alone, both = ResourceMonitor("cpu"), ResourceMonitor("cpu", None, [other.pid])
        alone.start()
        both.start()
        print(flush=True, file=other.stdin)
        other.stdout.readline()
        small, large = alone.usage(), both.usage()
        print(flush=True, file=other.stdin)
    assert large["cpu_seconds"] > small["cpu_seconds"] + 0.25
    assert large["peak_memory_mb"] > small["peak_memory_mb"] + 3
    assert both.usage()["cpu_seconds"] >= 0  # also when it is gone


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's figures")
def test_peak_memory_sees_what_was_given_back() -> None:
    monitor = ResourceMonitor("cpu")
    monitor.start()
    block = np.ones(64 * 2**20, np.uint8)
    with_block = resident_mb()
    del block
    # A little less: the kernel counts in batches, and reclaims unused pages when it likes.
    assert monitor.usage()["peak_memory_mb"] >= with_block - 4


def resident_mb() -> float:
    """What is resident now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's reset")
def test_peak_memory_is_the_trials_own() -> None:
    block = mmap.mmap(-1, 128 * 2**20)  # not numpy's: that may use what others left resident
    for page in range(0, len(block), mmap.PAGESIZE):
        block[page] = 1
    first = ResourceMonitor("cpu")
    first.start()
    with_block = first.usage()["peak_memory_mb"]
    block.close()
    second = ResourceMonitor("cpu")
    second.start()
    assert second.usage()["peak_memory_mb"] < with_block - 100


def test_says_nothing_before_the_start_but_what_was_used_earlier() -> None:
    assert ResourceMonitor("cpu").usage() == {}
    earlier = {"cpu_seconds": 5.0, "wall_seconds": 10.0}
    assert ResourceMonitor("cpu", earlier).usage() == earlier


def test_stands_still_after_the_stop_and_goes_on_after_another_start() -> None:
    monitor = ResourceMonitor("cpu")
    monitor.start()
    work(0.02)
    monitor.stop()
    first = monitor.usage()
    work(0.02)
    assert monitor.usage() == first
    monitor.start()
    work(0.05)
    assert monitor.usage()["cpu_seconds"] >= first["cpu_seconds"] + 0.04


def test_adds_to_what_a_killed_process_had_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a made-up clock: 3 s of two busy cores after 50 s of two."""
    clock = SimpleNamespace(process_time=lambda: 2 * now, perf_counter=lambda: now)
    monkeypatch.setattr("trainers.resource_monitor.time", clock)
    earlier = {
        "cpu_seconds": 100.0,
        "wall_seconds": 50.0,
        "cpu_utilization": 200.0,
        "peak_memory_mb": 1e6,
    }
    monitor, now = ResourceMonitor("cpu", earlier), 7.0
    monitor.start()
    now = 10.0
    assert monitor.usage() == {
        "cpu_seconds": 106.0,
        "wall_seconds": 53.0,
        "cpu_utilization": 200.0,
        "peak_memory_mb": 1e6,
    }


class Driver(SimpleNamespace):
    """Stands in for the module ``pynvml``: one sample is 90 %, 2,048 MiB and 70 W, and 4 kJ are
    used between the first and the last."""

    class NVMLError(Exception):
        pass

    def __init__(self, missing: tuple[str, ...] = ()):
        super().__init__(missing=missing, asked=None, shut_down=False)
        self.sampled = threading.Event()

    def _give(self, name: str, value):
        if name in self.missing:
            raise self.NVMLError(f"{name} is not supported")
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        self._give("init", None)

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.shut_down = True

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        self.asked = index
        return "card"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        self._give(uuid.split("-")[0], None)
        self.asked = uuid
        return "card"

    def nvmlDeviceGetUtilizationRates(self, handle: str):  # noqa: N802
        assert self.sampled.is_set(), "nothing has been computed yet"
        return self._give("utilization", SimpleNamespace(gpu=90))

    def nvmlDeviceGetMemoryInfo(self, handle: str):  # noqa: N802
        return self._give("memory", SimpleNamespace(used=2048 * 2**20))

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:  # noqa: N802
        return self._give("power", 70_000)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        energy = 9_000_000 if self.sampled.is_set() else 5_000_000  # mJ
        self.sampled.set()
        return self._give("energy", energy)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch):
    """Runs a monitor over ``driver`` until it has sampled once; gives the usage."""

    def run(
        driver: Driver, earlier=None, visible: str | None = None, others: tuple[int, ...] = ()
    ) -> dict[str, float]:
        monkeypatch.setitem(sys.modules, "pynvml", driver)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monitor = ResourceMonitor("cuda", earlier, others)
        monitor.start()
        if "init" not in driver.missing:
            assert driver.sampled.wait(60)
        monitor.stop()
        return monitor.usage()

    return run


GPU_FIGURES = {
    "gpu_utilization": 90.0,
    "gpu_peak_memory_mb": 2048.0,
    "gpu_power_w": 70.0,
    "gpu_energy_kj": 4.0,
}


def gpu_part(usage: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in usage.items() if name.startswith("gpu_")}


def test_figures_of_a_gpu_are_nvmls(watch) -> None:
    driver = Driver()
    usage = watch(driver)
    assert gpu_part(usage) == GPU_FIGURES
    assert set(usage) == CPU_FIGURES | set(GPU_FIGURES)
    assert driver.shut_down


@pytest.mark.parametrize(
    ("missing", "figure"),
    [
        ("utilization", "gpu_utilization"),
        ("memory", "gpu_peak_memory_mb"),
        ("power", "gpu_power_w"),
        ("energy", "gpu_energy_kj"),
    ],
)
def test_a_figure_that_the_card_does_not_give_leaves_the_others(watch, missing, figure) -> None:
    expected = {name: value for name, value in GPU_FIGURES.items() if name != figure}
    assert gpu_part(watch(Driver((missing,)))) == expected


def test_without_a_driver_the_figures_are_missing_and_nothing_else(watch) -> None:
    assert set(watch(Driver(("init",)))) == CPU_FIGURES


@pytest.mark.parametrize(
    ("visible", "card"), [(None, 0), ("", 0), ("2", 2), ("3,1", 3), ("GPU-ab12", "GPU-ab12")]
)
def test_watches_the_first_visible_card(watch, visible, card) -> None:
    driver = Driver()
    watch(driver, visible=visible)
    assert driver.asked == card


@pytest.mark.parametrize(
    ("missing", "asked"),
    [((), "GPU-5e7-a1"), (("GPU",), "MIG-5e7-a1"), (("GPU", "MIG"), 1)],
)
def test_watches_the_card_that_torch_computes_on(watch, monkeypatch, missing, asked) -> None:
    """By UUID, a part of a card (MIG) by its own; what is visible counts only without one."""
    properties = SimpleNamespace(uuid="5e7-a1")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: properties)
    driver = Driver(missing)
    watch(driver, visible="1,0")
    assert driver.asked == asked


def test_all_cards_of_a_data_parallel_trial_are_watched(watch) -> None:
    """Two cards: memory, power and energy are their sums, utilisation their mean."""
    driver = Driver()
    usage = watch(driver, visible="5,3", others=(os.getpid(),))
    assert driver.asked == 3
    assert usage["gpu_utilization"] == 90
    assert usage["gpu_peak_memory_mb"] == 2 * 2048
    assert usage["gpu_power_w"] == 2 * 70


def test_gpu_figures_of_a_killed_process_are_counted_in(watch) -> None:
    """Means by the time they stand for, peaks by the higher, energies together."""
    earlier = {
        "wall_seconds": 1e9,
        "gpu_utilization": 50.0,
        "gpu_peak_memory_mb": 9000.0,
        "gpu_power_w": 30.0,
        "gpu_energy_kj": 20.0,
    }
    both = {"gpu_peak_memory_mb": 9000.0, "gpu_energy_kj": 24.0}
    found = gpu_part(watch(Driver(), earlier))
    assert found == pytest.approx({"gpu_utilization": 50.0, "gpu_power_w": 30.0, **both})
    brief = {**earlier, "wall_seconds": 1e-9}
    found = gpu_part(watch(Driver(), brief))
    assert found == pytest.approx({"gpu_utilization": 90.0, "gpu_power_w": 70.0, **both}, rel=1e-3)


def test_gpu_figures_survive_where_no_sample_was_taken(watch) -> None:
    found = gpu_part(watch(Driver(("init",)), {"wall_seconds": 9.0, **GPU_FIGURES}))
    assert found == GPU_FIGURES


def test_a_trials_own_memory_is_what_torch_reserved_since_it_began(watch, monkeypatch) -> None:
    """Beside the card's; a warm worker's trial before it does not count."""
    reserved = [900 * 2**20]
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda: reserved.append(300 * 2**20))
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: reserved[-1])
    assert gpu_part(watch(Driver())) == {**GPU_FIGURES, "gpu_own_peak_memory_mb": 300.0}


def test_resets_only_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refused)
    monkeypatch.setattr(Path, "read_text", refused)
    monitor = ResourceMonitor("cpu")
    monitor.start()
    assert monitor.usage()["peak_memory_mb"] > 10
