"""What a worker tells of a trial: epochs, then one ending, whatever happens."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from errno import EMFILE, ENOMEM, ENOSPC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import PIL
import pytest
import torch

from search.study.messages import (
    Blocked,
    Completed,
    DeviceLost,
    Diverged,
    EpochDone,
    Failed,
    Message,
    OutOfMemory,
    Task,
)
from search.workers.train_task import train_task
from trainers.config import TrainConfig
from trainers.epoch_result import DivergedError

Play = Callable[..., list[Message]]


class Result:
    """An epoch's result, as far as the search looks at it."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def to_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "val_top1": 10.0 * self.epoch}


class Mute(BaseException):
    """An exception whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Messages of a run of three epochs that raises ``error`` in the second."""

    def run(error: BaseException | None = None, reported: int = 0) -> list[Message]:
        class Run:
            problems: tuple[str, ...] = ()
            trainer = SimpleNamespace(batches=SimpleNamespace())

            def __init__(self, config: Any, data: Path, execution: Any, folder: Path):
                self.folder = folder

            def results(self) -> Iterator[Result]:
                yield Result(1)
                if error is not None:
                    raise error
                yield from (Result(2), Result(3))

            def usage(self) -> dict[str, float]:
                return {"cpu_seconds": 1.0}

            def test(self) -> Any:
                return SimpleNamespace(figures=lambda: {"test_top1": 66.0})

        monkeypatch.setattr("trainers.runs.training_run.TrainingRun", Run)
        config = TrainConfig(depth=10, width=1).to_dict()
        return list(train_task(Task(3, config, {}, "data", str(tmp_path), reported)))

    return run


def test_epochs_then_completion(play: Play) -> None:
    *epochs, last = play()
    assert [message.result["epoch"] for message in epochs] == [1, 2, 3]  # type: ignore[union-attr]
    assert last == Completed({"test_top1": 66.0, "cpu_seconds": 1.0})


@pytest.mark.parametrize(("reported", "expected"), [(2, [3]), (3, [])])
def test_reported_epochs_are_not_reported_again(
    play: Play, reported: int, expected: list[int]
) -> None:
    *epochs, last = play(reported=reported)
    assert [m.result["epoch"] for m in epochs if isinstance(m, EpochDone)] == expected
    assert isinstance(last, Completed)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (DivergedError(2, "training loss is nan"), Diverged),
        (MemoryError(), OutOfMemory),
        (torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate"), OutOfMemory),
        (torch.OutOfMemoryError(""), OutOfMemory),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), OutOfMemory),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), OutOfMemory),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), OutOfMemory),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), OutOfMemory),
        (OSError(ENOMEM, "Cannot allocate memory"), OutOfMemory),
        (OSError(ENOSPC, "No space left on device"), Blocked),
        (RuntimeError(""), Failed),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Failed),
        (RuntimeError("boom\nand more"), Failed),
        (ValueError(), Failed),
        (FileNotFoundError(2, "No such file or directory", "augment.yaml"), Failed),
        (ConnectionError("the tracking server is away"), Failed),
        (PIL.UnidentifiedImageError("cannot identify image file"), Failed),
        (OSError(EMFILE, "Too many open files"), Failed),
        (SystemExit(1), Failed),
        (asyncio.CancelledError(), Failed),
        (Mute(), Failed),
        (ValueError("x" * 10**6), Failed),
        (FileNotFoundError(2, "No such file or directory", "caf\udce9"), Failed),
        (AssertionError("never"), Failed),
    ],
)
def test_an_error_is_one_ending_after_the_epochs_before(
    play: Play, error: BaseException, ending: type
) -> None:
    first, last = play(error)
    assert isinstance(first, EpochDone)
    assert type(last) is ending
    assert "\n" not in last.reason
    assert 0 < len(last.reason.encode()) < 2000


def test_a_folder_that_is_gone_is_not_the_trials_fault(play: Play, tmp_path: Path) -> None:
    error = FileNotFoundError(2, "No such file or directory")
    assert isinstance(play(error)[-1], Failed)
    tmp_path.rename(tmp_path.with_name("gone"))
    assert isinstance(play(error)[-1], Blocked)


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit("boom")])
def test_a_failure_brings_its_traceback(play: Play, error: BaseException) -> None:
    last = play(error)[-1]
    assert isinstance(last, Failed)
    assert last.reason == f"{type(error).__name__}: boom"
    assert "Traceback" in last.traceback
    assert "in results" in last.traceback


class Weights:
    """Stands in for what a trial holds in memory."""


def test_memory_is_given_back_before_the_ending_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emptying the cache frees nothing while an exception's frames hold the tensors."""
    held: list[weakref.ref[Weights]] = []
    emptied: list[bool] = []

    class Run:
        problems: tuple[str, ...] = ()
        trainer = SimpleNamespace(batches=SimpleNamespace())

        def __init__(self, *arguments: Any):
            pass

        def results(self) -> Iterator[Result]:
            weights = Weights()
            held.append(weakref.ref(weights))
            yield Result(1)
            raise torch.OutOfMemoryError("CUDA out of memory")

        def usage(self) -> dict[str, float]:
            return {}

    monkeypatch.setattr("trainers.runs.training_run.TrainingRun", Run)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("search.workers.failures.device_answers", lambda: True)
    monkeypatch.setattr("search.workers.train_task.device_answers", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: emptied.append(held[0]() is None))
    config = TrainConfig(depth=10, width=1).to_dict()
    messages = train_task(Task(3, config, {}, "data", str(tmp_path)))
    assert isinstance(next(messages), EpochDone)
    assert next(messages) == OutOfMemory("GPU memory: CUDA out of memory", device=True)
    assert emptied == [True]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_was_there_before_a_trial_on_a_gpu_is_not_looked_through_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str
) -> None:
    """What the trial made is, in a circle too."""
    looked_through: list[bool] = []
    before = ["of an earlier trial", []]

    def run(*arguments: Any) -> Any:
        circle: list[Any] = []
        circle.append(circle)
        seen = {id(known) for known in gc.get_objects()}
        looked_through.extend((id(before) in seen, id(circle) in seen))
        raise RuntimeError

    monkeypatch.setattr("trainers.runs.open_run.open_run", run)
    config, execution = TrainConfig(depth=10, width=1).to_dict(), {"device": device}
    try:
        list(train_task(Task(3, config, execution, "data", str(tmp_path))))
    finally:
        gc.unfreeze()
    assert looked_through == [device == "cpu", True]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
def test_a_process_whose_gpu_answers_no_more_says_so(
    play: Play, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    def dead(*sizes: int, **options: Any) -> torch.Tensor:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.ones", dead)
    last = play(error)[-1]
    assert isinstance(last, DeviceLost)
    assert str(error) in last.reason


def test_a_full_gpu_answers(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*sizes: int, **options: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    monkeypatch.setattr("torch.ones", full)
    assert isinstance(play(RuntimeError("CUDA error: out of memory"))[-1], OutOfMemory)


def test_an_interrupt_is_no_ending(play: Play) -> None:
    with pytest.raises(KeyboardInterrupt):
        play(KeyboardInterrupt())


@pytest.mark.parametrize(
    ("gpus", "alone", "limits"),
    [
        (0.0, False, []),
        (0.25, False, [0.25]),
        (0.25, True, [1.0]),  # the worker may have been told otherwise before
        (1.0, False, []),
        (2.0, True, []),
    ],
)
def test_only_a_trial_beside_others_on_a_gpu_is_given_a_share(
    monkeypatch: pytest.MonkeyPatch, gpus: float, alone: bool, limits: list[float], tmp_path: Path
) -> None:
    given: list[float] = []
    monkeypatch.setattr("trainers.cuda.memory.limit_memory", given.append)
    task = Task(3, {"model": "wide_resnet"}, {}, "no such data", str(tmp_path), alone=alone)
    list(train_task(task, gpus))
    assert given == limits
