"""Accuracy in bfloat16 against float32: paired by seed, with the 95 % interval of the difference.

    python -m benchmarks.precision_parity

low and high are that interval as a share of the float32 accuracy; the aim is met when it holds 1.
A pair has the same weights at the start, the same order and the same augmentation.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.data import part_of, prepared
from benchmarks.harness import Aim, Case, Options, main
from search.autotune.machine import cpu_count
from search.common.statistics import paired_difference
from spaces import named_space
from trainers.config import TrainConfig
from trainers.data import prepare
from trainers.execution import Execution

PRECISIONS = ("float32", "bfloat16")  # those of a CPU
SEEDS, FEW_SEEDS = 6, 2
ALL = 10**9
Task = tuple[dict[str, Any], str, str, int]  # configuration, precision, data folder, images


def cases(options: Options) -> list[Case]:
    digits = str(prepare("digits", options.data_dir))
    images = str(prepared(options))
    wrn = {**named_space("wrn_sam").at("quick").baseline, "epochs": options.of(12, 1)}
    cnn = {**named_space("lenet_batch").at("full").baseline, "epochs": options.of(2, 1)}
    few = options.of(ALL, 300)
    rows = [
        ("WideResNet-10-1 with SAM, digits", wrn, digits, few),
        ("small CNN, 32x32 images", cnn, images, few),
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.of(cpu_count(), 1), context) as pool:
        return [_case(pool, options.of(SEEDS, FEW_SEEDS), *row) for row in rows]


def _case(
    pool: ProcessPoolExecutor, seeds: int, name: str, recipe: dict[str, Any], data: str, images: int
) -> Case:
    tasks: list[Task] = [
        ({**recipe, "seed": seed}, precision, data, images)
        for precision in PRECISIONS
        for seed in range(seeds)
    ]
    found = list(pool.map(accuracy, tasks))
    exact, rounded = found[:seeds], found[seeds:]
    mean = statistics.fmean(exact)
    gain = paired_difference(rounded, exact)
    return Case(
        f"{name}, {seeds} seeds",
        "test top-1 %",
        statistics.fmean(rounded),
        mean,
        1 + gain.estimate / mean,
        1 + gain.low / mean,
        1 + gain.high / mean,
        Aim("≈", 1),
    )


def accuracy(task: Task) -> float:
    """Test accuracy in % of one trial, seen with its best weights."""
    from trainers.trainer import Trainer

    config, precision, data, images = task
    trainer = Trainer(
        TrainConfig.from_mapping(config),
        part_of(Path(data), images, images),
        Execution(precision=precision),
    )
    while not trainer.finished:
        trainer.train_epoch()
    return trainer.test().top1


if __name__ == "__main__":
    sys.exit(main("precision_parity", "accuracy, bfloat16 against float32", cases))
