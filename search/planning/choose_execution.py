"""How the trials of a study are computed: as asked, or as a short probe found fastest.

The probe trains the recipe for some seconds in every precision and memory layout: once with as
many one-thread processes at a time as there are cores, once in one process with all of them. Its
finding is kept beside the prepared data, per machine, model and data shape.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from optuna import get_all_study_names, load_study

from search.common.errors import UserError
from search.planning.job import Job
from search.planning.machine import cpu_count
from search.planning.open_study import EXECUTION
from search.planning.resources import Resources
from search.storage.storage import open_storage
from trainers.atomic_files import write_atomically
from trainers.data.prepared import Meta
from trainers.execution import Execution

# Below this many pixels an epoch is over before a probe would be.
PIXELS_WORTH_A_PROBE = 10_000_000
CLEARLY = 1.1  # times faster; two short timings of the same way may differ by as much


@dataclass(frozen=True)
class Choice:
    """How to compute, how much at once, and why."""

    execution: Execution
    resources: Resources
    reason: str


def recorded_execution(job: Job) -> Choice | None:
    """How the job's study began to compute, if there is one: threads and precision change the
    bits of a curve, so it goes on as it began."""
    storage = open_storage(job.storage)
    if job.study_name not in get_all_study_names(storage):
        return None
    study = load_study(study_name=job.study_name, storage=storage)
    if EXECUTION not in study.user_attrs:
        return None
    execution = Execution.from_mapping(study.user_attrs[EXECUTION])
    return Choice(execution, _resources_for(execution, job), "as the study began")


def _resources_for(execution: Execution, job: Job) -> Resources:
    """What this machine gives to a study that began to compute elsewhere, or with other flags."""
    if execution.device == "cuda":
        if not job.resources.gpus_per_trial:
            raise UserError(
                f"study {job.study_name!r} began on a GPU, and this run has none; go on where "
                "there is one, or choose another --study-name"
            )
        return replace(job.resources, threads=execution.threads, processes=execution.processes)
    cores = execution.threads * execution.processes
    at_once = job.asked.concurrency or max(1, cpu_count() // cores)
    return replace(
        job.resources,
        concurrency=at_once,
        threads=execution.threads,
        gpus_per_trial=0.0,
        processes=execution.processes,
    )


def choose_execution(
    job: Job, data: Meta, data_folder: Path, announce: Callable[[str], None]
) -> Choice:
    """The job's own execution, or the probe's where the job leaves it open and it pays."""
    if not job.probes or not _worth_probing(data):
        return Choice(job.execution, job.resources, "as asked or by default")
    key = _key(job, data)
    kept = job.data_dir / "cache" / "probes" / f"{key}.json"
    timings = _read(kept)
    if timings is None:
        announce("probing precision, memory layout and threads on this machine: some seconds")
        timings = _measure(job, data_folder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps(timings).encode())
    return _best(job, timings)


def _worth_probing(data: Meta) -> bool:
    images, height, width, _ = data.shapes["train_images"]
    return images * height * width >= PIXELS_WORTH_A_PROBE


def thread_counts(job: Job) -> list[int]:
    """The threads to try: those asked for, else one and all."""
    if job.asked.threads:
        return [job.resources.threads]
    return sorted({1, cpu_count()})


def _measure(job: Job, data_folder: Path) -> list[dict[str, Any]]:
    """Machine-wide images a second of each candidate, processes of a round side by side."""
    timings = []
    for threads in thread_counts(job):
        at_once = max(1, cpu_count() // threads)
        rounds = _round(job, data_folder, threads, at_once)
        for execution, speed in rounds.items():
            timings.append({"execution": json.loads(execution), "at_once": at_once, "speed": speed})
    return sorted(timings, key=lambda timing: -timing["speed"])


def _round(job: Job, data_folder: Path, threads: int, at_once: int) -> dict[str, float]:
    task = json.dumps(
        {
            "config": job.config.to_dict(),
            "data": str(data_folder.resolve()),
            "device": "cpu",
            "threads": threads,
        }
    )
    speeds: dict[str, float] = {}
    for output in _side_by_side([sys.executable, "-m", "trainers.probe", task], at_once):
        for timing in json.loads(output):
            execution = json.dumps(timing["execution"], sort_keys=True)
            speeds[execution] = speeds.get(execution, 0.0) + timing["images_per_second"]
    return speeds


def _side_by_side(command: list[str], count: int) -> list[bytes]:
    """What ``count`` processes of ``command`` print, all run at the same time."""
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        outputs = [process.communicate()[0] for process in processes]
        for process in processes:
            if process.returncode:
                raise UserError(
                    f"the probe ended with exit code {process.returncode}; "
                    "choose with --precision float32 --threads 1"
                )
        return outputs
    finally:
        for process in processes:
            process.kill()


def _best(job: Job, timings: list[dict[str, Any]]) -> Choice:
    best = _fastest(timings)
    execution = Execution.from_mapping(best["execution"])
    concurrency = job.resources.concurrency if job.asked.concurrency else best["at_once"]
    resources = replace(job.resources, concurrency=concurrency, threads=execution.threads)
    layout = "channels last" if execution.channels_last else "contiguous"
    reason = (
        f"{execution.precision}, {layout}, {concurrency} at once with {execution.threads} "
        f"thread(s): {best['speed']:.0f} images/s, the fastest of {len(timings)} ways tried"
    )
    return Choice(execution, resources, reason)


def _fastest(timings: list[dict[str, Any]]) -> dict[str, Any]:
    """Of ``timings``, sorted by speed. More threads a trial must be clearly worth it: trials of
    one thread each never wait for one another."""
    least = min(timing["execution"]["threads"] for timing in timings)
    steady = next(timing for timing in timings if timing["execution"]["threads"] == least)
    return timings[0] if timings[0]["speed"] > CLEARLY * steady["speed"] else steady


def _key(job: Job, data: Meta) -> str:
    """What a finding depends on."""
    config = job.config.to_dict()
    facts = {
        "machine": [platform.machine(), _cpu_model(), cpu_count()],
        "torch": version("torch"),
        "data": data.shapes["train_images"][1:],
        "threads": thread_counts(job),
        "config": {name: value for name, value in config.items() if "seed" not in name},
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
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
