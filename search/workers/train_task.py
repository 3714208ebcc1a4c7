"""What a worker does with a task: trains it and says so, epoch by epoch. Knows nothing of Ray."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path

from search.common.layout import HEARTBEAT
from search.study.messages import (
    Blocked,
    Completed,
    DeviceLost,
    Diverged,
    Ending,
    EpochDone,
    Failed,
    Message,
    OutOfMemory,
    Remark,
    Task,
)
from search.workers.failures import (
    device_answers,
    first_line,
    give_memory_back,
    is_of_device,
    is_of_machine,
    is_out_of_memory,
    printable,
    set_aside,
)
from search.workers.folder_sync import FolderSync
from search.workers.watchdog import Heartbeat

NO_GRAPH = "steps run kernel by kernel, for want of memory for a graph"


def train_task(task: Task, gpus: float = 0.0) -> Iterator[Message]:
    """Yield the messages of one trial. The last is an ending, also where the trial raised, or says
    that this process cannot continue. ``gpus`` below 1 is its share of the memory of a GPU; of a
    trial that runs alone it is all of it."""
    heartbeat = Heartbeat(Path(task.folder) / HEARTBEAT)
    sync = FolderSync(task, heartbeat)
    if task.execution.get("device") == "cuda":
        set_aside()
    try:
        with closing(sync):
            ending = yield from _attempt(task, gpus, heartbeat, sync)
            if isinstance(ending, Failed):
                with suppress(OSError):
                    sync.send()  # what it printed
    finally:
        give_memory_back()
        heartbeat.stop()
        sync.clear()
    if isinstance(ending, Failed | OutOfMemory) and not device_answers():
        yield DeviceLost(ending.reason)
    else:
        yield ending


def _attempt(
    task: Task, gpus: float, heartbeat: Heartbeat, sync: FolderSync
) -> Generator[Message, None, Ending]:
    """Trains; returns how it ended. With its frame, all that an exception refers to is gone."""
    from trainers.data import DataError
    from trainers.epoch_result import DivergedError

    try:
        return (yield from _train(task, gpus, heartbeat, sync))
    except DivergedError as error:
        return Diverged(str(error), error.epoch)
    except DataError as error:
        return Blocked(str(error))
    except (GeneratorExit, KeyboardInterrupt):  # whoever takes the messages wants no more
        raise
    except BaseException as error:  # sys.exit in a user's function is a failure like any other
        if is_out_of_memory(error):
            where = "GPU memory" if is_of_device(error) else "host memory"
            return OutOfMemory(f"{where}: {first_line(error)}", is_of_device(error))
        if is_of_machine(error, Path(task.folder)):
            return Blocked(first_line(error))
        reason = f"{type(error).__name__}: {first_line(error)}"
        return Failed(reason, printable(traceback.format_exc()))


def _train(
    task: Task, gpus: float, heartbeat: Heartbeat, sync: FolderSync
) -> Generator[Message, None, Ending]:
    from trainers.config import config_from_mapping
    from trainers.execution import Execution
    from trainers.runs.open_run import open_run

    if 0 < gpus < 1:
        from trainers.cuda.memory import limit_memory

        limit_memory(1.0 if task.alone else gpus)  # anew: the worker stays for other trials
    sync.fetch()
    run = open_run(
        config_from_mapping(task.config),
        Path(task.data_folder),
        Execution.from_mapping(dict(task.execution)),
        Path(task.folder),
        heartbeat,
        sync.send,
        task.number,
    )
    for problem in run.problems:
        yield Remark(f"trial {task.number}: {problem}; passed over")
    for result in run.results():
        if result.epoch > task.reported:
            usage = run.usage()
            yield EpochDone(result.to_dict(), usage)
            if result.epoch == 1 and (lack := usage.get("graph_lack_mb")):
                yield Remark(f"trial {task.number}: {NO_GRAPH}, {lack:.0f} MiB too little")
    evaluation = run.test()
    sync.send()
    return Completed(evaluation.figures() | run.usage())
