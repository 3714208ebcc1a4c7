"""The probe's choice against the best fixed choice, both measured longer than the probe does.

    python -m benchmarks.probe_choice

Every precision and memory layout, with one thread for each of as many trials as there are cores
and with one trial that has them all: an epoch each in turn. "Ours" is the way that a probe chose,
made anew for this run; "peer" the way that turned out the fastest.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.crew import Crew
from benchmarks.harness import Aim, Case, Options, main
from benchmarks.jobs import plan_of, request_of
from search.autotune.machine import cpu_count
from search.settings.request import Request
from trainers.configs import trainer_config
from trainers.execution import Execution
from trainers.probe import candidates

AIM = Aim("≥", 0.98)
NETWORKS = {  # flags of the command, and how many images are a measurable epoch
    "small CNN": (("--space", "lenet_batch"), 5000),
    "WideResNet-16-4 with SAM": (
        ("--space", "wrn_sam", "--set", "depth=16", "--set", "width=4", "--set", "batch_size=16"),
        60,
    ),
}


def cases(options: Options) -> list[Case]:
    networks = dict(list(NETWORKS.items())[: options.of(2, 1)])
    return [
        _case(options, name, options.of(images, 200), *flags)
        for name, (flags, images) in networks.items()
    ]


def _case(options: Options, name: str, images: int, *flags: str) -> Case:
    request = request_of(options, *flags, "--preset", "full")
    with tempfile.TemporaryDirectory() as fresh:
        start = time.perf_counter()
        plan = plan_of(replace(request, data_dir=Path(fresh)))
        seconds = time.perf_counter() - start
    speeds = _speeds(request, options, images)
    best = max(speeds, key=lambda way: statistics.median(speeds[way]))
    print(f"{name}: probed in {seconds:.0f} s; fastest: {best}")
    return Case.of_pairs(name, "images/s", AIM, speeds[plan.execution], speeds[best])


def _speeds(request: Request, options: Options, images: int) -> dict[Execution, list[float]]:
    """Machine-wide images a second of every way, ``options.pairs`` times in turn."""
    folder = plan_of(request).data_folder
    cores = cpu_count()
    with ExitStack() as stack:
        ways: list[tuple[Crew, int, Execution]] = []
        for threads in sorted({1, cores}):
            some = candidates(Execution(threads=threads))
            crew = Crew(trainer_config(request.config), some, cores // threads, folder, images)
            stack.enter_context(crew)
            ways += [(crew, index, way) for index, way in enumerate(some)]
        found: dict[Execution, list[float]] = {way: [] for _, _, way in ways}
        for turn in range(options.pairs + 1):
            for crew, index, way in ways:
                speed = crew.train_epoch(index)
                if turn:  # the first is to warm up
                    found[way].append(speed)
        return found


if __name__ == "__main__":
    sys.exit(main("probe_choice", "the probe's choice against the best fixed one", cases))
