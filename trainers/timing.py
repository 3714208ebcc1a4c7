"""How fast settings train on this machine in several ways of computing: timed, not guessed.

    python -m trainers.timing '{"configs": […], "executions": […], "data": "/a/folder", …}'

prints a JSON list: for each setting in each execution the images a second of this process, null
where it cannot train so, and why. ``count`` such processes meet in the folder "meeting" before each
timing, so that all of them time the same at the same time.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared
from trainers.execution import Execution
from trainers.models.batch_norm import has_batch_norm
from trainers.trainer import Trainer

SECONDS_A_WAIT = 0.05  # so many steps are waited for together: a wait for each would slow them down
FEWEST_WAITS = 3
STEPS_BEFORE = {"cpu": 1, "cuda": 8}  # to warm up: kernels are chosen, and a graph is captured
FEW_IMAGES = 4  # a batch at the least, for networks whose whole batches would take minutes
SECONDS_A_STEP = 0.5  # on the CPU, at most, by smaller batches
SECONDS_TO_MEET = 120.0  # large networks have many kernels to choose

Speed = tuple[float | None, str]  # images a second, or why there are none


class NoMeetingError(RuntimeError):
    """Not all processes reached the meeting."""


def speed_of(
    config: TrainConfig,
    data: ImageData,
    execution: Execution,
    seconds: float,
    meet: Callable[[], None],
    exactly: bool = False,
) -> Speed:
    """Return the images per second of some ``seconds`` of training. ``meet`` waits for whoever
    times beside this process. ``exactly``: none where the trainer would not compute as
    ``execution`` has it, or where that is known to be slow. Any failure is returned as the reason
    why there are none."""
    speed, reason = None, ""
    steps: Iterator[int] | None = None
    try:
        trainer = Trainer(config, data, execution)
        reason = _why_left_out(trainer) if exactly else ""
        if not reason:
            steps = _warmed_up(trainer)
        if exactly and trainer.graphed and trainer.graphed.lack:
            steps, reason = None, f"{trainer.graphed.lack / 1e9:.1f} GB are missing for a graph"
        del trainer
    except Exception as error:  # of any kind: it rules out this execution alone
        reason = _first_line(error)
    meet()
    if steps is not None:
        try:
            speed = _timed(steps, execution, seconds)
        except Exception as error:
            reason = _first_line(error)
    del steps
    if execution.device == "cuda":
        from trainers.cuda.memory import give_memory_back

        give_memory_back()
    return speed, reason


def affordable(config: TrainConfig, data: ImageData, execution: Execution) -> TrainConfig:
    """Return ``config``, with as many images a batch as the CPU trains in ``SECONDS_A_STEP``."""
    few = replace(config, batch_size=min(config.batch_size, FEW_IMAGES))
    steps = _warmed_up(Trainer(few, data, execution))
    start = time.perf_counter()
    most = int(next(steps) * SECONDS_A_STEP / (time.perf_counter() - start))
    return replace(config, batch_size=min(config.batch_size, max(FEW_IMAGES, most)))


def _why_left_out(trainer: Trainer) -> str:
    """Return why it is not timed, "" where it is."""
    how = trainer.execution
    if how.graph and trainer.why_eager:
        return trainer.why_eager
    slow = how.device == "cuda" and how.precision == "bfloat16" and not how.channels_last
    if slow and has_batch_norm(trainer.model):
        return "BatchNorm in bfloat16 has no fast kernels for contiguous memory"
    return ""


def _warmed_up(trainer: Trainer) -> Iterator[int]:
    """Yield the steps of a training that has begun."""
    steps = trainer.endless_steps()
    for _ in range(STEPS_BEFORE[trainer.execution.device]):
        next(steps)
    _wait(trainer.execution)
    return steps


def _timed(steps: Iterator[int], execution: Execution, seconds: float) -> float:
    """Return the median of the images a second between two waits."""
    speeds: list[float] = []
    together, start = 1, time.perf_counter()
    end = start
    while end - start < seconds or len(speeds) < FEWEST_WAITS:
        begun = end
        images = sum(next(steps) for _ in range(together))
        _wait(execution)
        end = time.perf_counter()
        speeds.append(images / (end - begun))
        together = max(1, int(together * SECONDS_A_WAIT / (end - begun)))
    return median(speeds)


def _wait(execution: Execution) -> None:
    if execution.device == "cuda":
        import torch

        torch.cuda.synchronize()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def meeting(folder: Path, count: int) -> Callable[[], None]:
    """Return a function that waits, each time it is called, until ``count`` processes have called
    theirs as often. It raises ``NoMeetingError`` where one does not come."""
    times = 0

    def meet() -> None:
        nonlocal times
        times += 1
        (folder / f"{times} {os.getpid()}").touch()
        deadline = time.monotonic() + SECONDS_TO_MEET
        while len(list(folder.glob(f"{times} *"))) < count:
            if time.monotonic() > deadline:
                raise NoMeetingError(f"{count} processes were to meet, and one did not come")
            time.sleep(0.002)

    return meet


def time_all(task: dict[str, Any]) -> list[Speed]:
    """Return the timings of each of the task's "configs" in each of its "executions"."""
    executions = [Execution.from_mapping(values) for values in task["executions"]]
    on_a_card, count = executions[0].device == "cuda", task["count"]
    if on_a_card and count > 1:
        from trainers.cuda.memory import limit_memory

        limit_memory(1 / count)
    meet = meeting(Path(task["meeting"]), count)
    data = open_prepared(Path(task["data"]))
    gc.freeze()  # what is there by now is not looked through after each timing
    found = []
    for config in map(TrainConfig.from_mapping, task["configs"]):
        if not on_a_card:
            with suppress(Exception):  # of a setting that cannot be trained: speed_of says why
                config = affordable(config, data, executions[0])
        for execution in executions:
            timed = speed_of(config, data, execution, task["seconds"], meet, task["exactly"])
            found.append(timed)
    return found


if __name__ == "__main__":
    print(json.dumps(time_all(json.loads(sys.argv[1]))))
