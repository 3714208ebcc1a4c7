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
from typing import Any

from trainers.config import TrainConfig
from trainers.execution import PRECISIONS, Execution

SECONDS_EACH = 1.0
FEW_IMAGES = 4  # a batch for networks so large that whole batches would take minutes


def candidates(execution: Execution) -> list[Execution]:
    """``execution`` in every precision and memory layout."""
    return [
        replace(execution, precision=precision, channels_last=channels_last)
        for precision in PRECISIONS
        for channels_last in (True, False)
    ]


def probe(config: TrainConfig, data_folder: Path, execution: Execution) -> list[dict[str, Any]]:
    """Images a second of training with each candidate, the fastest first."""
    from trainers.data import open_prepared

    data = open_prepared(data_folder)
    config = _affordable(config, data, execution)
    timings = [
        {"execution": candidate.to_dict(), "images_per_second": _speed(config, data, candidate)}
        for candidate in candidates(execution)
    ]
    return sorted(timings, key=lambda timing: -timing["images_per_second"])


def _affordable(config: TrainConfig, data: Any, execution: Execution) -> TrainConfig:
    """``config``, with batches of a few images where a whole one takes longer than a look may."""
    few = replace(config, batch_size=min(config.batch_size, FEW_IMAGES))
    seconds_an_image = 1 / _speed(few, data, execution, seconds=0)
    return config if seconds_an_image * config.batch_size <= SECONDS_EACH else few


def _speed(
    config: TrainConfig, data: Any, execution: Execution, seconds: float = SECONDS_EACH
) -> float:
    """Steps of training, their batches included, for about ``seconds``, at least one step; one
    before them warms up."""
    from trainers.trainer import Trainer

    trainer = Trainer(config, data, execution)
    batches = trainer.batches.endless(trainer.train_indices)
    trainer.step(*next(batches))
    _wait(execution)
    start, steps, elapsed = time.perf_counter(), 0, 0.0
    while steps == 0 or elapsed < seconds:
        trainer.step(*next(batches))
        _wait(execution)
        steps += 1
        elapsed = time.perf_counter() - start
    return steps * config.batch_size / elapsed


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
