"""What a trial costs on the CPU: plausible figures."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
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


def test_resets_only_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **options: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "write_text", refused)
    monkeypatch.setattr(Path, "read_text", refused)
    monitor = ResourceMonitor("cpu")
    monitor.start()
    assert monitor.usage()["peak_memory_mb"] > 10
