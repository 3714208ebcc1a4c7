"""Drivers to be killed, each run in a child process: without Ray, in one plain loop of the
runner's questions and a worker's messages, or with it.

``invented`` stands in for training: it keeps a file like a checkpoint, costs nothing and ends
trials in all ways there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from optuna.storages import RDBStorage
from optuna.study import Study, load_study
from optuna.trial import FrozenTrial
from rich.console import Console

from search.common.errors import SearchError
from search.record.record import read_record
from search.settings.check_data import check_data, prepare_data
from search.settings.decide import decide
from search.settings.open_study import SECONDS_TO_WAIT, find_record, open_study
from search.settings.request import Request, make_request
from search.settings.run_settings import RunSettings
from search.storage.lease import Lease
from search.storage.storage import open_storage, write_often
from search.strategy.reevaluation import CONFIRMED, read_reevaluation, reevaluation_trials
from search.strategy.verdict import judge
from search.study.events import Event, Standing
from search.study.messages import (
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
from search.study.reevaluation import open_reevaluation
from search.study.retrying import RetryingRunner
from search.study.trial_runner import TrialRunner
from search.terminal.event_lines import line
from search.workers.driver import Phases, run_search
from search.workers.train_task import train_task
from trainers.atomic_files import remove_partials, write_atomically
from trainers.failpoints import VARIABLE

FIXED = (
    *("reason", "copy_of", "retry_of", "best_epoch", "confusion"),
    *("target", "paused_at", "continues", CONFIRMED),
)
SPACE = Path(__file__).with_name("tiny_space.py")


def request(folder: Path, data_dir: Path, *flags: str) -> Request:
    """What the command line would ask for."""
    where = ["--results-dir", str(folder), "--data-dir", str(data_dir)]
    alone = ["--preset", "quick", "--precision", "float32", "--threads", "1", "--concurrency", "1"]
    return make_request(RunSettings.parse(["--space", str(SPACE), *where, *alone, *flags]))


def invented(task: Task, file: str = "invented.json") -> Iterator[Message]:
    """Epochs that follow from the configuration alone, resumed from a file of their own; some
    trials end in another way."""
    for epoch, message in _epochs(task, file):
        if message:
            yield message
        if epoch == 1 and task.number == 3:
            yield OutOfMemory("host memory")
        if epoch == 1 and task.number == 4:
            yield Diverged("diverged in epoch 2: training loss is nan", 2)
        if epoch == 1 and task.number == 5:
            yield Failed("ValueError: no", "Traceback")


def confirmed(task: Task) -> Iterator[Message]:
    """The same, where all trials complete."""
    return (message for _, message in _epochs(task) if message)


def _epochs(task: Task, file: str = "invented.json") -> Iterator[tuple[int, Message | None]]:
    """Epoch by epoch, None for one that was reported before; last the completion."""
    kept = Path(task.folder) / file
    values: list[float] = json.loads(kept.read_text()) if kept.exists() else []
    kept.parent.mkdir(parents=True, exist_ok=True)
    remove_partials(kept.parent)
    for epoch in range(1, int(task.config["epochs"]) + 1):
        if epoch > len(values):
            values.append(_value(task, epoch))
            write_atomically(kept, json.dumps(values).encode())
        result = {"epoch": epoch, "val_top1": values[epoch - 1]}
        yield epoch, EpochDone(result, {"cpu_seconds": 1.0}) if epoch > task.reported else None
    yield 0, Completed({"test_top1": values[-1], "test_loss": 1.0})


def _value(task: Task, epoch: int) -> float:
    drawn = [task.config[name] for name in ("lr", "batch_size", "optimizer")]
    if task.config["seed"]:
        drawn.append(task.config["seed"])  # of a re-evaluation
    text = json.dumps([drawn, epoch])
    return 10 * epoch + int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32 * 30


def copied(task: Task) -> Iterator[Message]:
    """As ``invented``, with a file that copies of the trial get too."""
    for message in invented(task):
        if isinstance(message, Completed):
            write_atomically(Path(task.folder) / "history.csv", b"epoch\n1\n")
        yield message


def slow(task: Task) -> Iterator[Message]:
    try:
        for message in invented(task):
            time.sleep(0.2)
            yield message
    except OSError as error:  # as train_task says it
        yield Blocked(" ".join(str(error).split()))


def failing(task: Task) -> Iterator[Message]:
    yield Failed(f"RuntimeError: no kernel for trial {task.number}")


WORKS: dict[str, Callable[[Task], Iterator[Message]]] = {
    "invented": invented,
    "copied": copied,
    "confirmed": confirmed,
    "promoted": invented,
    "budgeted": invented,
    "raised": partial(invented, file="checkpoint.pt"),
    "trained": train_task,
    "own loop in NumPy": train_task,
    "own loop in torch": train_task,
    "slow": slow,
    "failing": failing,
}


def drive(folder: Path, data_dir: Path, work: str, flags: tuple[str, ...], kill_at: str) -> None:
    """Goes on with the study in ``folder`` until it is met; what stops it goes to stopped.txt."""
    if kill_at:
        os.environ[VARIABLE] = kill_at
    stopped = folder.with_name(f"{folder.name}.stopped.txt")
    try:
        _drive(request(folder, data_dir, *flags), work, folder.with_name(f"{folder.name}.log"))
    except (SearchError, ValueError) as error:  # ValueError: what a user can mend
        stopped.write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None


def _drive(asked: Request, work: str, log: Path) -> None:
    data = prepare_data(asked.dataset, asked.data_dir, Console(quiet=True))
    meta = check_data(asked, data)
    storage = open_storage(asked.storage, sqlite_wait=SECONDS_TO_WAIT)
    plan, _ = decide(asked, meta, data, find_record(asked, storage), print)
    with (
        Lease(plan.folder, storage) as lease,
        open(log, "a", buffering=1) as lines,
        ExitStack() as leases,
    ):
        write_often(storage)
        study = open_study(plan, storage, lease)
        observe = partial(tell, lines)
        runner = RetryingRunner(study, plan, lease, observe)
        if asked.settings.retry_failed:
            runner.retry_failed()
        if work.startswith("ray "):
            os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # workers import this file
            quick = replace(plan.resources, silence=5.0)
            run_search(runner, quick, WORKS[work.removeprefix("ray ")])
            return
        phases = Phases(runner, partial(open_reevaluation, plan, study, storage, leases, observe))
        while not phases.are_met():
            runner = phases.runner
            task = runner.ask()
            if task is None:
                time.sleep(0.05)  # another driver is at work
            else:
                listen(runner, task, WORKS[work](task))
            if not runner.live:
                runner.remove_leftovers()


def wait_for(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
    """What ``condition`` returns, once that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


@contextmanager
def study_in(url: str, name: str = "tiny-quick") -> Iterator[Study]:
    storage = RDBStorage(url)
    try:
        yield load_study(study_name=name, storage=storage)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def tell(lines: IO[str], event: Event) -> None:
    if not isinstance(event, Standing):
        print(line(event), file=lines)


def listen(runner: TrialRunner, task: Task, messages: Iterator[Message]) -> None:
    for message in messages:
        if isinstance(message, Remark):
            continue
        if not isinstance(message, EpochDone):
            runner.finish(task.number, message)
            return
        if not runner.report(task.number, message):
            return


def snapshot(study: Study) -> list[dict[str, Any]]:
    """All that must not change: everything of each trial but clocks, costs and owners, those of
    the re-evaluation too, and the verdict."""
    record, trials = read_record(study), study.get_trials()
    confirming = reevaluation_trials(study)
    if record is None or not confirming:
        return facts(trials)
    reevaluation = read_reevaluation(record, trials, confirming)
    assert reevaluation is not None
    return [*facts(trials), *facts(confirming), {"verdict": repr(judge(reevaluation, trials))}]


def facts(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "params": trial.params,
            "value": repr(trial.value),
            "curve": {epoch: value.hex() for epoch, value in trial.intermediate_values.items()},
            "constraints": trial.constraints,
            **{key: repr(value) for key, value in trial.user_attrs.items() if _is_fixed(key)},
        }
        for trial in trials
    ]


def _is_fixed(key: str) -> bool:
    return key in FIXED or key.startswith("test_top")
