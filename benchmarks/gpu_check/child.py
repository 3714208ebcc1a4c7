"""Trainings in a process of their own, which may die of them.

    python -m benchmarks.gpu_check.child '[{"do": "train", …}, …]'

prints a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.study.messages import Task
from search.workers.train_task import train_task
from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.epoch_result import EpochResult
from trainers.execution import Execution
from trainers.graphed_steps import GraphedSteps
from trainers.parallel.ranks import ParallelRanks
from trainers.runs.training_run import TrainingRun
from trainers.trainer import Trainer

REPOSITORY = Path(__file__).resolve().parents[2]
LONGEST = 200  # s
Job = Mapping[str, Any]
CLOCKS = ("seconds", "val_seconds")


@dataclass(frozen=True)
class Done:
    """What a child printed before it ended, and how it did."""

    lines: list[Any]
    exit_code: int
    last_words: str


def start(jobs: Sequence[Job]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.gpu_check.child", json.dumps(jobs)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True)


def finish(*children: subprocess.Popen[str]) -> list[Done]:
    """Waits for all; none outlives this."""
    try:
        printed = [child.communicate(timeout=LONGEST) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    return [
        Done(
            [json.loads(line) for line in output.splitlines() if line.startswith(("{", "["))],
            child.returncode,
            (errors.strip().splitlines() or ["no message"])[-1],
        )
        for child, (output, errors) in zip(children, printed, strict=True)
    ]


def curve(history: Sequence[EpochResult]) -> list[dict[str, Any]]:
    """Without what a clock said."""
    rows = (result.to_dict() for result in history)
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows]


def train(config: Job, execution: Job, data: str) -> Any:
    """The curve of a trainer."""
    trainer = Trainer(_config(config), open_prepared(Path(data)), _execution(execution))
    while not trainer.finished:
        trainer.train_epoch()
    return curve(trainer.history)


class Uncaptured:
    """Where there are no graphs, what would be captured is run."""

    def has_room(self) -> bool:
        return False

    def warm_up(self, work: Callable[[], None]) -> None:
        work()

    def capture(self, work: Callable[[], None]) -> None:
        raise NotImplementedError

    def replay(self) -> None:
        raise NotImplementedError


def replay(config: Job, execution: Job, data: str) -> Any:
    """As ``train``, by a graph, and whether one was captured or why not."""
    chosen, images = _config(config), open_prepared(Path(data))
    trainer = Trainer(chosen, images, _execution(execution))
    if execution["device"] == "cpu":
        shape = chosen.batch_size, images.num_classes
        trainer.graphed = GraphedSteps(trainer.batches, *shape, Uncaptured())
    while not trainer.finished:
        trainer.train_epoch()
    captured = trainer.graphed is not None and trainer.graphed.captured
    why = trainer.why_eager or "no room for it"
    return {"captured": captured, "why": why, "curve": curve(trainer.history)}


def resume(config: Job, execution: Job, data: str, folder: str, die: bool = False) -> Any:
    """The curve of a run in ``folder``, and how many of its epochs were there before; or death in
    the midst of an epoch once the first is on disk."""
    run = TrainingRun(_config(config), Path(data), _execution(execution), Path(folder))
    before = len(run.trainer.history)
    found = []
    for result in run.results():
        found.append(result)
        if die:
            run.trainer.on_step = lambda images: os.kill(os.getpid(), signal.SIGKILL)
    return {"before": before, "curve": curve(found)}


def work(number: int, config: Job, execution: Job, data: str, folder: str, gpus: float) -> Any:
    """What a search's worker tells of a trial, and the most memory that it had of the card."""
    task = Task(number, config, execution, data, folder)
    messages = list(train_task(task, gpus))
    last = messages[-1]
    taken = {}
    if execution["device"] == "cuda":
        import torch

        taken = {"gib": torch.cuda.max_memory_reserved() / 2**30}
    return {"ending": type(last).__name__, "reason": getattr(last, "reason", ""), **taken}


def join(rank: int, config: Job, execution: Job, meeting: str, over: str, data: str) -> Any:
    """The curve of one of two data-parallel processes that meet by way of ``over``: "cuda" is NCCL
    with a card for each, "cpu" is gloo, by which they can share a card too."""
    computing = _execution(execution)
    ranks = ParallelRanks(Execution(over, processes=computing.processes), rank, Path(meeting))
    trainer = Trainer(_config(config), open_prepared(Path(data)), computing, ranks)
    while not trainer.finished:
        trainer.train_epoch()
    ranks.close()
    return curve(trainer.history)


def _config(values: Job) -> TrainConfig:
    return TrainConfig.from_mapping(values)


def _execution(values: Job) -> Execution:
    return Execution.from_mapping(dict(values))


JOBS: Mapping[str, Callable[..., Any]] = {
    "train": train,
    "replay": replay,
    "resume": resume,
    "work": work,
    "join": join,
}


def main() -> None:
    for job in json.loads(sys.argv[1]):
        print(json.dumps(JOBS[job.pop("do")](**job)), flush=True)


if __name__ == "__main__":
    main()
