"""Trainings whose curves are compared, here or in a process of their own, which may die of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.check import expect
from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.epoch_result import EpochResult
from trainers.execution import Execution
from trainers.parallel.ranks import ParallelRanks
from trainers.runs.training_run import TrainingRun
from trainers.trainer import Trainer

CLOCKS = ("seconds", "val_seconds")
Curve = list[dict[str, Any]]


def elsewhere(function: Callable[..., Any], *args: Any) -> Any:
    """What ``function`` returns in a fresh process. Raises ``BrokenProcessPool`` if that dies."""
    with processes(1) as pool:
        return pool.submit(function, *args).result()


def processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


def trained(chosen: TrainConfig, execution: Execution, data: Path) -> Trainer:
    """A trainer that has finished."""
    trainer = Trainer(chosen, open_prepared(data), execution)
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


def curve(history: Sequence[EpochResult]) -> Curve:
    """Without what a clock said."""
    rows = (result.to_dict() for result in history)
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows]


def curves_of(settings: Sequence[TrainConfig], execution: Execution, data: Path) -> list[Curve]:
    return [curve(trained(chosen, execution, data).history) for chosen in settings]


def run_in(
    chosen: TrainConfig, execution: Execution, data: Path, folder: Path, die: bool = False
) -> tuple[int, Curve]:
    """The curve of a run in ``folder``, and how many of its epochs were there before. With ``die``
    the process kills itself in the midst of an epoch once the first is on disk."""
    run = TrainingRun(chosen, data, execution, folder)
    before, found = len(run.trainer.history), []
    for result in run.results():
        found.append(result)
        if die:
            run.trainer.on_step = lambda images: os.kill(os.getpid(), signal.SIGKILL)
    return before, curve(found)


def killed_and_resumed(*args: Any) -> tuple[int, Curve]:
    """``run_in`` that is killed in one process and resumed in another."""
    try:
        elsewhere(run_in, *args, True)
        expect(False, "a run was to be killed, and was not")
    except BrokenProcessPool:
        pass
    before, found = elsewhere(run_in, *args)
    expect(before >= 1, "nothing was on disk when the run was killed")
    return before, found


def joined(
    chosen: TrainConfig, execution: Execution, data: Path, meeting: Path, over: str, rank: int
) -> Curve:
    """The curve of one of several data-parallel processes that meet by way of ``over``: "cuda" is
    NCCL with a card for each, "cpu" is gloo, by which they can share a card too."""
    ranks = ParallelRanks(Execution(over, processes=execution.processes), rank, meeting)
    trainer = Trainer(chosen, open_prepared(data), execution, ranks)
    while not trainer.finished:
        trainer.train_epoch()
    ranks.close()
    return curve(trainer.history)


def same(name: str, one: Curve, other: Curve, where: str) -> None:
    """Raises ``FailedError`` where the curves of ``name`` differ."""
    expect(one == other, f"{name}, {where}: {one} and {other}")
