"""Which way to compute is the fastest on this machine: candidates are timed, not guessed.

The baseline is trained for a moment in every precision that the device computes, either memory
layout, on a GPU kernel by kernel and as a graph. This is done in rounds: on the CPU with as many
one-thread trials at once as there are cores, then with one trial that has them all; on a GPU with
1, 2, 4 and 8 trials on the card. What was found is kept beside the prepared data.
"""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

from search.autotune import devices
from search.autotune.devices import Gpus, images_fit
from search.autotune.resources import ComputeOptions, Resources
from search.autotune.timing import Workload, remembered, time_trainings
from search.common.errors import UserError, one_line
from trainers.data.prepared import Meta
from trainers.execution import PRECISIONS, Execution

SECONDS_EACH = 0.75
CLEARLY = 1.1  # times faster; two short timings of the same candidate may differ by as much
IN_SIGHT = 0.5  # of the fastest: what is slower is not timed in the next round
ON_A_CARD = (1, 2, 4, 8)  # trials
INSTEAD = {
    "cpu": "choose with --precision float32 --threads 1",
    "cuda": "choose with --precision float32 --no-graph --gpus-per-trial 1",
}

Announce = Callable[[str], None]


@dataclass(frozen=True)
class Round:
    """A number of trials at once on the device, each with a number of threads."""

    at_once: int
    threads: int


@dataclass(frozen=True)
class Timing:
    """The images per second of ``at_once`` trials in total."""

    execution: Execution
    at_once: int
    speed: float


@dataclass(frozen=True)
class Calibration:
    """The result of a calibration: the ``best`` of all that were ``tried``."""

    best: Timing
    tried: int


def candidates(options: ComputeOptions, execution: Execution, gpus: Gpus | None) -> list[Execution]:
    """Return ``execution`` in all that its device computes and ``options`` leave open, the plainest
    first: an error of a GPU may break it for all that come after."""
    precisions = [options.precision] if options.precision else list(PRECISIONS)
    able = [p for p in precisions if (gpus.computes(p) if gpus else p != "tf32")]
    is_open = gpus is not None and options.graph is None and not execution.deterministic
    return [
        replace(execution, precision=precision, channels_last=channels_last, graph=graph)
        for graph, precision, channels_last in product(
            (False, True) if is_open else (execution.graph,), able, (True, False)
        )
    ]


def rounds_on_cpu(options: ComputeOptions, resources: Resources) -> list[Round]:
    """Return the rounds on the CPU: as many trials and threads as given; else one thread each, and
    one trial with all cores."""
    if options.concurrency and not options.ray_address:
        return [Round(options.concurrency, resources.threads)]
    cores = devices.cpu_count()
    threads = [options.threads] if options.threads else sorted({1, cores})
    return [Round(max(1, cores // number), number) for number in threads]


def rounds_on_gpu(
    options: ComputeOptions, resources: Resources, gpus: Gpus, most: int, data: Meta
) -> list[Round]:
    """Return the rounds on GPUs: as many trials on a card as given; else as many as there are
    trials (``most``), cores and memory for."""
    counts: Sequence[int] = [resources.trials_on_a_gpu]
    if (options.gpus_per_trial, options.concurrency, options.ray_address) == (None, None, None):
        allowed = min(most, devices.cpu_count()) // resources.concurrency
        counts = [n for n in ON_A_CARD if n == 1 or (n <= allowed and images_fit(gpus, n, data))]
    return [Round(count, resources.threads) for count in counts]


def calibrate(
    workload: Workload,
    executions: Sequence[Execution],
    rounds: Sequence[Round],
    gpus: Gpus | None,
    announce: Announce,
) -> Calibration:
    """Return the fastest of ``executions`` and ``rounds``. Raises ``UserError`` where none can
    train."""

    def measure() -> list[dict[str, Any]]:
        announce(
            f"calibrating: {len(executions)} ways to compute are timed on "
            f"{gpus.name if gpus else 'the CPU'}, up to {max(r.at_once for r in rounds)} trials at "
            "once; it takes some seconds, for a large network some minutes"
        )
        timings = _measure(workload, executions, rounds, announce)
        return [vars(timing) | {"execution": timing.execution.to_dict()} for timing in timings]

    facts = _facts(workload, executions, rounds, gpus)
    timings = [
        Timing(Execution.from_mapping(values["execution"]), values["at_once"], values["speed"])
        for values in remembered(workload.cache / "calibrations", facts, measure)
    ]
    return Calibration(fastest(timings), len(timings))


def fastest(timings: Sequence[Timing]) -> Timing:
    """Return the fastest of ``timings``, which are in the order of their rounds; each further round
    must be clearly worth it. More threads make trials wait for one another; more trials on a card
    have less memory each, and the search knows less when it asks."""
    leaders: dict[int, Timing] = {}
    for timing in timings:
        leader = leaders.setdefault(timing.at_once, timing)
        if timing.speed > leader.speed:
            leaders[timing.at_once] = timing
    best, *others = leaders.values()
    for leader in others:
        if leader.speed > CLEARLY * best.speed:
            best = leader
    return best


def _measure(
    workload: Workload, executions: Sequence[Execution], rounds: Sequence[Round], announce: Announce
) -> list[Timing]:
    """Return the timings, measured round by round until one does not pay; for each execution that
    cannot be trained in, a line says why. Raises ``UserError`` where that is all of them."""
    timings: list[Timing] = []
    for turn in rounds:
        ways = [replace(execution, threads=turn.threads) for execution in executions]
        try:
            found, failed = _time_round(workload, ways, turn.at_once)
        except UserError as error:
            if not timings:
                raise
            announce(f"calibrating: {turn.at_once} at once are left out: {error}")
            break
        if not found and not timings:
            raise UserError(_nothing_trains(next(iter(failed)), ways[0].device))
        for reason, names in failed.items():
            announce(f"calibrating: {turn.at_once} at once without {'; '.join(names)}: {reason}")
        timings += found
        if fastest(timings).at_once != turn.at_once:
            break
        least = IN_SIGHT * max(timing.speed for timing in found)
        executions = [timing.execution for timing in found if timing.speed >= least]
    return timings


def _time_round(
    workload: Workload, executions: Sequence[Execution], at_once: int
) -> tuple[list[Timing], dict[str, list[str]]]:
    """Return the timings of the executions in which each of ``at_once`` processes can train, and by
    reason those in which one cannot. Raises ``UserError`` where a process dies."""
    by_execution = time_trainings(
        [workload.config],
        executions,
        at_once,
        workload.data_folder,
        SECONDS_EACH,
        INSTEAD[executions[0].device],
        exactly=True,
    )
    found: list[Timing] = []
    failed: dict[str, list[str]] = defaultdict(list)
    for execution, speeds in zip(executions, by_execution, strict=True):
        numbers = [speed for speed, _ in speeds if speed is not None]
        if len(numbers) == at_once:
            found.append(Timing(execution, at_once, sum(numbers)))
        else:
            reason = next(reason for speed, reason in speeds if speed is None)
            failed[one_line(reason)].append(in_words(execution))
    return found, failed


def _nothing_trains(reason: str, device: str) -> str:
    where = "the CPU" if device == "cpu" else "a GPU, or on the CPU with --gpus-per-trial 0"
    return (
        f"the baseline cannot be trained here: {reason}; change it, as by --set batch_size=…, for "
        f"{where}"
    )


def in_words(execution: Execution) -> str:
    """Return precision, graph and layout of ``execution`` in words."""
    graph = {True: ", CUDA graph", False: ", no CUDA graph"} if execution.device == "cuda" else {}
    layout = "" if execution.channels_last else ", contiguous"
    return f"{execution.precision}{graph.get(execution.graph, '')}{layout}"


def _facts(
    workload: Workload, executions: Sequence[Execution], rounds: Sequence[Round], gpus: Gpus | None
) -> dict[str, Any]:
    """Return everything that the result depends on."""
    config = workload.config.to_dict()
    card = [gpus.name, gpus.capability, gpus.driver, devices.mps_runs()] if gpus else []
    return {
        "machine": [platform.machine(), _cpu_model(), devices.cpu_count(), *card],
        "torch": version("torch"),
        "data": workload.data.shapes["train_images"],
        "executions": [execution.to_dict() for execution in executions],
        "rounds": [vars(turn) for turn in rounds],
        "config": {name: value for name, value in config.items() if "seed" not in name},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("model name")), platform.processor())
