"""Which way of computing is the fastest on this machine, found by a short probe.

The probe trains the recipe for some seconds in every precision and memory layout: once with as
many one-thread processes at a time as there are cores, once in one process with all of them. Its
finding is kept beside the prepared data, per machine, model and data shape.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.autotune import machine
from search.autotune.child_processes import run_module
from trainers.atomic_files import write_atomically
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.execution import Execution

# Below this many pixels an epoch is over before a probe would be.
PIXELS_WORTH_A_PROBE = 10_000_000
CLEARLY = 1.1  # times faster; two short timings of the same way may differ by as much


@dataclass(frozen=True)
class Timing:
    """Machine-wide images a second of ``at_once`` trials; ``tried`` counts all ways timed."""

    execution: Execution
    at_once: int
    speed: float
    tried: int


def is_worth_probing(data: Meta) -> bool:
    images, height, width, _ = data.shapes["train_images"]
    return images * height * width >= PIXELS_WORTH_A_PROBE


def probe(
    config: TrainConfig,
    threads: int | None,
    data: Meta,
    data_folder: Path,
    data_dir: Path,
    announce: Callable[[str], None],
) -> Timing:
    """The fastest way to train ``config`` on the CPU, with ``threads`` or else one or all."""
    counts = [threads] if threads else sorted({1, machine.cpu_count()})
    kept = data_dir / "cache" / "probes" / f"{_key(config, counts, data)}.json"
    timings = _read(kept)
    if timings is None:
        announce("probing precision, memory layout and threads on this machine: some seconds")
        timings = _measure(config, counts, data_folder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps(timings).encode())
    best = _fastest(timings)
    execution = Execution.from_mapping(best["execution"])
    return Timing(execution, best["at_once"], best["speed"], len(timings))


def _measure(config: TrainConfig, counts: Sequence[int], data: Path) -> list[dict[str, Any]]:
    """Machine-wide images a second of each way, processes of a round side by side."""
    timings = []
    for threads in counts:
        at_once = max(1, machine.cpu_count() // threads)
        for execution, speed in _round(config, data, threads, at_once).items():
            timings.append({"execution": json.loads(execution), "at_once": at_once, "speed": speed})
    return sorted(timings, key=lambda timing: -timing["speed"])


def _round(config: TrainConfig, data: Path, threads: int, at_once: int) -> dict[str, float]:
    task = json.dumps(
        {
            "config": config.to_dict(),
            "data": str(data.resolve()),
            "device": "cpu",
            "threads": threads,
        }
    )
    speeds: dict[str, float] = {}
    instead = "choose with --precision float32 --threads 1"
    for output in run_module(["trainers.probe", task], at_once, "probe", instead):
        for timing in json.loads(output):
            execution = json.dumps(timing["execution"], sort_keys=True)
            speeds[execution] = speeds.get(execution, 0.0) + timing["images_per_second"]
    return speeds


def _fastest(timings: list[dict[str, Any]]) -> dict[str, Any]:
    """Of ``timings``, sorted by speed. More threads a trial must be clearly worth it: trials of
    one thread each never wait for one another."""
    least = min(timing["execution"]["threads"] for timing in timings)
    steady = next(timing for timing in timings if timing["execution"]["threads"] == least)
    return timings[0] if timings[0]["speed"] > CLEARLY * steady["speed"] else steady


def _key(config: TrainConfig, counts: Sequence[int], data: Meta) -> str:
    """What a finding depends on."""
    facts = {
        "machine": [platform.machine(), _cpu_model(), machine.cpu_count()],
        "torch": version("torch"),
        "data": data.shapes["train_images"][1:],
        "threads": list(counts),
        "config": {name: value for name, value in config.to_dict().items() if "seed" not in name},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())


def _read(path: Path) -> list[dict[str, Any]] | None:
    try:
        timings = json.loads(path.read_text())
        return [
            {key: timing[key] for key in ("execution", "at_once", "speed")} for timing in timings
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return None
