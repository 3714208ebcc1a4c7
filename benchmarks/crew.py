"""Several of our trials at once, each in a process of its own, measured together.

python -m benchmarks.crew TASK      one of them; trains an epoch for every line it reads
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from trainers.config import TrainConfig
from trainers.execution import Execution


class Crew:
    """``at_once`` processes that train ``config`` on part of a data set, in each of several ways.

    ``executions`` have the same number of threads, since a process has one such number.
    """

    def __init__(
        self,
        config: TrainConfig,
        executions: Sequence[Execution],
        at_once: int,
        data_folder: Path,
        train: int,
        test: int = 100,
    ):
        task = {
            "config": config.to_dict(),
            "executions": [execution.to_dict() for execution in executions],
            "data": str(data_folder.resolve()),
            "train": train,
            "test": test,
        }
        command = [sys.executable, "-m", "benchmarks.crew", json.dumps(task)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._members = [subprocess.Popen(command, **pipes) for _ in range(at_once)]

    def train_epoch(self, way: int = 0) -> float:
        """Images a second of training, all processes together; they begin at the same time."""
        return self._all("train", way)

    def test(self, way: int = 0) -> float:
        """Images a second of evaluation, all processes together."""
        return self._all("test", way)

    def _all(self, what: str, way: int) -> float:
        for member in self._members:
            _pipe(member.stdin).write(f"{what} {way}\n")
            _pipe(member.stdin).flush()
        return sum(float(_pipe(member.stdout).readline()) for member in self._members)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        for member in self._members:
            member.kill()
            member.communicate()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def serve(task: dict[str, Any]) -> None:
    """Answers each line with images a second."""
    from benchmarks.data import part_of
    from trainers.trainer import Trainer

    data = part_of(Path(task["data"]), task["train"], task["test"])
    config = TrainConfig.from_mapping(task["config"])
    trainers = [
        Trainer(config, data, Execution.from_mapping(execution)) for execution in task["executions"]
    ]
    for line in sys.stdin:
        what, way = line.split()
        trainer = trainers[int(way)]
        start = time.perf_counter()
        if what == "train":
            speed = len(trainer.train_indices) / trainer.train_epoch().seconds
        else:
            speed = trainer.test().images / (time.perf_counter() - start)
        print(speed, flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
