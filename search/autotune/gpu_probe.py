"""Which way of computing is the fastest on this machine's GPUs, found by a probe on one of them.

The recipe is trained for half a second in every precision that the cards compute, either memory
layout, kernel by kernel and as a graph; then again with two, four and eight trials on the card, as
long as more of them are clearly worth it. What was found is kept beside the prepared data.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from search.autotune import machine
from search.autotune.child_processes import run_module
from search.autotune.gpus import Gpus, images_fit
from search.autotune.probe import CLEARLY, Timing
from search.autotune.resources import Resources
from search.common.errors import UserError
from trainers.atomic_files import write_atomically
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.execution import PRECISIONS, Execution

ON_A_CARD = (1, 2, 4, 8)  # trials
IN_SIGHT = 0.5  # of the fastest: a way that is slower is not tried with more trials beside it
INSTEAD = "computing goes by default"


@dataclass(frozen=True)
class GpuProbe:
    """What is asked: ``config`` in each of ``ways``, with so many trials on a card (``counts``)."""

    config: TrainConfig
    ways: tuple[Execution, ...]
    counts: tuple[int, ...]

    def key(self, gpus: Gpus, data: Meta) -> str:
        """What a finding depends on."""
        config = self.config.to_dict()
        facts = {
            "card": [gpus.name, gpus.capability, gpus.driver],
            "cores": machine.cpu_count(),
            "torch": version("torch"),
            "mps": machine.mps_runs(),
            "data": data.shapes["train_images"],
            "ways": [way.to_dict() for way in self.ways],
            "counts": self.counts,
            "config": {name: value for name, value in config.items() if "seed" not in name},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def ways_of(
    execution: Execution, gpus: Gpus, precision: str | None, graph: bool | None
) -> tuple[Execution, ...]:
    """``execution`` in ``precision``, or in all that the cards compute, in either layout, and with
    a ``graph`` as asked; else with and without one, unless every bit counts."""
    computed = {"float32": True, "tf32": gpus.tf32, "bfloat16": gpus.bfloat16}
    precisions = [precision] if precision else [name for name in PRECISIONS if computed[name]]
    graphs = [False, True] if graph is None else [graph]
    if graph is None and execution.deterministic:
        graphs = [False]
    return tuple(
        replace(execution, precision=name, channels_last=channels_last, graph=is_graph)
        for name, channels_last, is_graph in product(precisions, (True, False), graphs)
    )


def counts_of(resources: Resources, is_open: bool, most: int, gpus: Gpus, data: Meta) -> list[int]:
    """How many trials on a card to try: as ``resources`` have it, or where that ``is_open``, as
    many as there are trials (``most``), cores and memory for."""
    if not is_open:
        return [resources.on_a_gpu]
    allowed = min(most, machine.cpu_count()) // resources.concurrency
    return [n for n in ON_A_CARD if n == 1 or (n <= allowed and images_fit(gpus, n, data))]


def probe_gpu(
    asked: GpuProbe,
    gpus: Gpus,
    data: Meta,
    data_folder: Path,
    data_dir: Path,
    announce: Callable[[str], None],
) -> Timing:
    """The fastest way, how many trials on a card, and their images a second together. Raises
    ``UserError`` where nothing could be timed."""
    kept = data_dir / "cache" / "probes" / f"gpu-{asked.key(gpus, data)}.json"
    timings = _read(kept)
    if not timings:
        announce(
            f"probing {len(asked.ways)} ways to compute on {gpus.name}, up to {asked.counts[-1]} "
            "trials at a time: a minute or two"
        )
        timings = _measure(asked, data_folder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps(timings).encode())
    best = chosen(timings)
    execution = Execution.from_mapping(best["execution"])
    return Timing(execution, best["at_once"], best["speed"], len(timings))


def chosen(timings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The fastest of ``timings``; each doubling of the trials on a card must be clearly worth it:
    every one of them has less memory, and the search knows less when it asks."""
    best: dict[str, Any] = {"speed": 0.0}
    for count in sorted({timing["at_once"] for timing in timings}):
        of_count = (timing for timing in timings if timing["at_once"] == count)
        fastest = max(of_count, key=lambda timing: float(timing["speed"]))
        if fastest["speed"] > CLEARLY * best["speed"]:
            best = fastest
    return best


def _measure(asked: GpuProbe, data: Path) -> list[dict[str, Any]]:
    """Images a second of a card's trials together, in each way, until more trials do not pay."""
    timings: list[dict[str, Any]] = []
    ways = list(asked.ways)
    for n in asked.counts:
        try:
            speeds = round_of(asked.config, ways, n, data)
        except UserError:
            if not timings:
                raise
            break
        timings += [
            {"execution": way.to_dict(), "at_once": n, "speed": speed}
            for way, speed in speeds.items()
        ]
        if chosen(timings)["at_once"] != n:
            break
        fastest = max(speeds.values())
        ways = [way for way, speed in speeds.items() if speed >= IN_SIGHT * fastest]
    return timings


def round_of(
    config: TrainConfig, ways: Sequence[Execution], count: int, data: Path
) -> dict[Execution, float]:
    """Of those ways in which each of ``count`` processes side by side can train. Raises
    ``UserError`` where that is none."""
    with tempfile.TemporaryDirectory(prefix="sharpsearch-probe-") as folder:
        task = {
            "config": config.to_dict(),
            "data": str(data.resolve()),
            "ways": [way.to_dict() for way in ways],
            "count": count,
            "meeting": folder,
        }
        arguments = ["trainers.gpu_probe", json.dumps(task)]
        printed = run_module(arguments, count, "probe of the GPU", INSTEAD)
    by_way = zip(ways, zip(*map(json.loads, printed), strict=True), strict=True)
    together, reasons = {}, []
    for way, found in by_way:
        reasons += [reason for speed, reason in found if speed is None]
        if all(speed is not None for speed, _ in found):
            together[way] = sum(speed for speed, _ in found)
    if not together:
        raise UserError(f"the probe of the GPU could not train: {reasons[0]}; {INSTEAD}")
    return together


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        timings = json.loads(path.read_text())
        keys = ("execution", "at_once", "speed")
        return [{key: timing[key] for key in keys} for timing in timings]
    except (OSError, ValueError, TypeError, KeyError):
        return []
