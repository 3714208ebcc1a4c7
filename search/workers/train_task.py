"""What a worker does with a task: trains it and says so, epoch by epoch. Knows nothing of Ray."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from errno import ENOMEM
from pathlib import Path

from search.ledger.messages import (
    Blocked,
    Completed,
    Diverged,
    EpochDone,
    Failed,
    Message,
    OutOfMemory,
    Remark,
    Task,
)


def train_task(task: Task) -> Iterator[Message]:
    """The messages of one trial, the last one an ending; a trial's own faults are endings too."""
    from trainers.data.errors import DataError
    from trainers.epoch_result import DivergedError

    try:
        yield from _train(task)
    except DivergedError as error:
        yield Diverged(str(error), error.epoch)
    except MemoryError as error:
        yield OutOfMemory(f"host memory: {error}")
    except OSError as error:
        yield _no_memory_or_blocked(error)
    except DataError as error:
        yield Blocked(str(error))
    except Exception as error:
        yield _failure(error)


def _train(task: Task) -> Iterator[Message]:
    from trainers.config import TrainConfig
    from trainers.execution import Execution
    from trainers.runs.training_run import TrainingRun

    run = TrainingRun(
        TrainConfig.from_mapping(task.config),
        Path(task.data_folder),
        Execution.from_mapping(dict(task.execution)),
        Path(task.folder),
    )
    for problem in run.problems:
        yield Remark(f"trial {task.number}: {problem}; passed over")
    for result in run.results():
        if result.epoch > task.reported:
            yield EpochDone(result.to_dict(), run.usage())
    evaluation = run.test()
    yield Completed(evaluation.figures() | run.usage())


def _no_memory_or_blocked(error: OSError) -> Message:
    """No setting is to blame for a full disk or a folder that is gone."""
    text = " ".join(str(error).split()) or type(error).__name__
    return OutOfMemory(f"host memory: {text}") if error.errno == ENOMEM else Blocked(text)


def _failure(error: Exception) -> Message:
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError) or _is_allocation_failure(error):
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return OutOfMemory(str(error).splitlines()[0])
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return Failed(reason, traceback.format_exc())


def _is_allocation_failure(error: Exception) -> bool:
    """torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
