"""How fast a setting trains on a card in each of several ways, with other processes beside it.

    python -m trainers.gpu_probe '{"config": …, "data": "/a/folder", "ways": […], "count": 1, …}'

prints a JSON list: for each way the images a second of this process, null where it cannot train so,
as where memory runs out, and why. ``count`` such processes meet in the folder "meeting" before each
timing, so that all of them time the same way at the same time.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.execution import Execution
from trainers.trainer import Trainer

SECONDS_EACH = 0.5
SECONDS_A_WAIT = 0.05  # so many steps are waited for together: a wait for each would slow them down
WARM_UP = 8  # steps: kernels are chosen, and a graph is captured
SECONDS_TO_MEET = 120.0  # large networks have many kernels to choose

Speed = tuple[float | None, str]  # images a second, or why there are none


class NoMeetingError(RuntimeError):
    """Not all processes came."""


def speeds(
    config: TrainConfig, data: Any, ways: Sequence[Execution], meet: Callable[[], None]
) -> list[Speed]:
    """Of each of ``ways``; ``meet`` waits for whoever times beside this process."""
    if any(way.device == "cuda" for way in ways):
        gc.freeze()  # what was there before is not looked through after each way
    found = []
    for way in ways:
        steps, reason = _warmed_up(config, data, way)
        meet()
        found.append(_timed(steps, way) if steps else (None, reason))
        steps = None
        _give_memory_back(way)
    return found


def _warmed_up(config: TrainConfig, data: Any, way: Execution) -> tuple[Iterator[int] | None, str]:
    """The steps of a training that has begun, or why there is none."""
    try:
        trainer = Trainer(config, data, way)
        if way.graph and trainer.why_eager:
            return None, trainer.why_eager
        steps = trainer.endless_steps()
        for _ in range(WARM_UP):
            next(steps)
        _wait(way)
    except (RuntimeError, MemoryError) as error:  # no memory, or no graph of this
        return None, _first_line(error)
    return steps, ""


def _timed(steps: Iterator[int], way: Execution) -> Speed:
    images, together, start = 0, 1, time.perf_counter()
    seconds = 0.0
    try:
        while seconds < SECONDS_EACH:
            images += sum(next(steps) for _ in range(together))
            _wait(way)
            before, seconds = seconds, time.perf_counter() - start
            together = max(1, int(together * SECONDS_A_WAIT / (seconds - before)))
    except (RuntimeError, MemoryError) as error:
        return None, _first_line(error)
    return images / seconds, ""


def _wait(way: Execution) -> None:
    if way.device == "cuda":
        import torch

        torch.cuda.synchronize()


def _give_memory_back(way: Execution) -> None:
    if way.device == "cuda":
        from trainers.cuda.memory import give_memory_back

        give_memory_back()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def meeting(folder: Path, count: int) -> Callable[[], None]:
    """What waits, each time that it is called, until ``count`` processes have called theirs as
    often. Raises ``NoMeetingError`` where one does not come."""
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


def main() -> None:
    task = json.loads(sys.argv[1])
    ways = [Execution.from_mapping(way) for way in task["ways"]]
    if task["count"] > 1 and ways[0].device == "cuda":
        from trainers.cuda.memory import limit_memory

        limit_memory(1 / task["count"])
    found = speeds(
        TrainConfig.from_mapping(task["config"]),
        open_prepared(Path(task["data"])),
        ways,
        meeting(Path(task["meeting"]), task["count"]),
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
