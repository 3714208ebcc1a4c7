"""Which precision and memory layout train a setting fastest on this machine: tried, not guessed.

    python -m trainers.probe '{"config": …, "data": "/a/folder", "device": "cpu", "threads": 1}'

prints one JSON object: a list of timings. Run it in a process of its own: it warms up kernels
and changes the number of threads.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from trainers.config import TrainConfig
from trainers.execution import PRECISIONS, Execution

SECONDS_EACH = 0.5
STEPS_EACH = 3  # at least, after one to warm up
CLOSE = 0.85  # of the fastest: what is this close is timed twice more
FEW_IMAGES = 4  # a batch at the least, for networks whose whole batches would take minutes


def candidates(execution: Execution) -> list[Execution]:
    """``execution`` in every precision that its device has, and every memory layout."""
    return [
        replace(execution, precision=precision, channels_last=channels_last)
        for precision in PRECISIONS
        if precision != "tf32" or execution.device == "cuda"
        for channels_last in (True, False)
    ]


def probe(config: TrainConfig, data_folder: Path, execution: Execution) -> list[dict[str, Any]]:
    """Images a second of training with each candidate, the fastest first."""
    from trainers.data import open_prepared

    data = open_prepared(data_folder)
    config = affordable(config, data, execution)
    speeds = {way: [images_per_second(config, data, way)] for way in candidates(execution)}
    fastest = max(found[0] for found in speeds.values())
    close = [way for way, found in speeds.items() if found[0] > CLOSE * fastest]
    for way in 2 * close if len(close) > 1 else []:
        speeds[way].append(images_per_second(config, data, way))
    timings = [
        {"execution": way.to_dict(), "images_per_second": median(found)}
        for way, found in speeds.items()
    ]
    return sorted(timings, key=lambda timing: -timing["images_per_second"])


def affordable(config: TrainConfig, data: Any, execution: Execution) -> TrainConfig:
    """``config``, with as many images a batch as may be trained in ``SECONDS_EACH``."""
    few = replace(config, batch_size=min(config.batch_size, FEW_IMAGES))
    most = int(SECONDS_EACH * images_per_second(few, data, execution, steps=1))
    return replace(config, batch_size=min(config.batch_size, max(FEW_IMAGES, most)))


def images_per_second(
    config: TrainConfig,
    data: Any,
    execution: Execution,
    about: float | None = None,
    steps: int = STEPS_EACH,
) -> float:
    """The median of the steps of ``about`` so many seconds (default: ``SECONDS_EACH``), their
    batches included, at least ``steps``; one before them warms up."""
    from trainers.trainer import Trainer

    about = SECONDS_EACH if about is None else about
    trainer = Trainer(config, data, execution)
    batches = trainer.batches.endless(trainer.train_indices)
    trainer.step(*next(batches))
    _wait(execution)
    seconds: list[float] = []
    while len(seconds) < steps or (sum(seconds) < about and steps > 1):
        start = time.perf_counter()
        trainer.step(*next(batches))
        _wait(execution)
        seconds.append(time.perf_counter() - start)
    return config.batch_size / median(seconds)


def _wait(execution: Execution) -> None:
    if execution.device == "cuda":
        import torch

        torch.cuda.synchronize()


def main() -> None:
    task = json.loads(sys.argv[1])
    timings = probe(
        TrainConfig.from_mapping(task["config"]),
        Path(task["data"]),
        Execution(device=task["device"], threads=task["threads"]),
    )
    print(json.dumps(timings))


if __name__ == "__main__":
    main()
