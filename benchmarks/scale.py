"""Where one driver ends: epochs told a second by ever more workers; several drivers on one study.

    python -m benchmarks.scale [--workers 1,2,4] [--seconds S] [--storage URL] [--json FILE]
    python -m benchmarks.scale --drivers 4 --trials 10000 --storage URL

First: Ray's workers on this machine whose trials train nothing, of a study of ``wrn_sam``'s seven
parameters; counted for S seconds, once every worker has told an epoch. The driver's share is of one
core; the database's is of the driver's time, as it waits for the answers.

Second: drivers in processes of their own, each with two trials at work and without Ray, until the
study has its total; then it is looked through for what was lost or told twice.

``--storage`` is a database's URL, by default a new SQLite file.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import Engine, event

from benchmarks.harness import Options
from benchmarks.machine import machine, versions
from benchmarks.studies import open_runner, study_request
from search.common.layout import default_data_dir, default_storage
from search.settings.request import Request
from search.storage.database import database_of
from search.storage.optuna_internals import storage_of
from search.study.events import Ended, Epoch, Event
from search.study.messages import Completed, EpochDone, Message, Task
from search.study.trial_runner import TrialRunner

EPOCHS = 9
VALUE = 50.0
WORKER = "worker"
AT_WORK = 2  # trials of one driver without Ray


@dataclass(frozen=True)
class Rates:
    """Of one driver: shares are of 1, the database's of the driver's wall time."""

    workers: int
    trials_a_second: float
    epochs_a_second: float
    driver_share: float
    database_share: float


def do_nothing(task: Task) -> Iterator[Message]:
    """What a worker tells of a trial, and who it is."""
    for epoch in range(task.reported + 1, EPOCHS + 1):
        yield EpochDone({"epoch": epoch, "val_top1": VALUE}, {WORKER: float(os.getpid())})
    yield Completed({"test_top1": VALUE})


class DatabaseClock:
    """Seconds that ``engine`` was waited for: statements and commits."""

    def __init__(self, engine: Engine):
        self.seconds = 0.0
        self._start = 0.0
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)
        commit = engine.dialect.do_commit

        def timed_commit(connection: Any) -> None:
            self._begin()
            commit(connection)
            self._end()

        engine.dialect.do_commit = timed_commit  # type: ignore[assignment, method-assign]

    def _begin(self, *args: Any) -> None:
        self._start = time.perf_counter()

    def _end(self, *args: Any) -> None:
        self.seconds += time.perf_counter() - self._start


class Meter:
    """Observes a search; ``seconds`` after the last of ``workers`` came a signal ends it."""

    def __init__(self, runner: TrialRunner, workers: int, seconds: float):
        database = database_of(storage_of(runner.study))
        assert database is not None
        self._database = DatabaseClock(database.engine)
        self._runner, self._workers, self._seconds = runner, workers, seconds
        self._seen: set[float] = set()
        self._start: tuple[float, float, float] | None = None
        self._counts: Counter[type[Event]] = Counter()
        self.rates: Rates | None = None

    def __call__(self, happened: Event) -> None:
        if isinstance(happened, Epoch) and self._start is None:
            usage = self._runner.live[happened.number].usage or {}
            self._seen.add(usage[WORKER])
            if len(self._seen) == self._workers:
                self._start = self._now()
        if self._start is None or self.rates is not None:
            return
        self._counts[type(happened)] += 1
        wall, processor, database = (b - a for a, b in zip(self._start, self._now(), strict=True))
        if wall >= self._seconds:
            self.rates = Rates(
                self._workers,
                self._counts[Ended] / wall,
                self._counts[Epoch] / wall,
                processor / wall,
                database / wall,
            )
            os.kill(os.getpid(), signal.SIGINT)

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), self._database.seconds


def measure(request: Request, workers: int, seconds: float) -> Rates:
    """Of this process as driver."""
    from search.autotune.resources import Resources
    from search.workers.driver import run_search

    with open_runner(request) as runner:
        meter = Meter(runner, workers, seconds)
        runner.observe = meter
        run_search(runner, Resources(workers, threads=1), do_nothing)
    assert meter.rates is not None, "the search ended before its time"
    return meter.rates


def drive(request: Request) -> int:
    """Goes on with the study until it is met, ``AT_WORK`` trials in turns; how many it told."""
    told = 0
    with open_runner(request) as runner:
        works: list[tuple[Task, Iterator[Message]]] = []
        while True:
            while len(works) < AT_WORK and (task := runner.next_task()):
                works.append((task, do_nothing(task)))
            if not works and runner.is_met():
                return told
            if not works:
                time.sleep(0.05)  # others are at work on the last
            for task, messages in list(works):
                message = next(messages)
                if isinstance(message, EpochDone):
                    runner.report(task.number, message)
                elif isinstance(message, Completed):
                    runner.end(task.number, message)
                    works.remove((task, messages))
                    told += 1


def faults(request: Request, told: Sequence[int]) -> list[str]:
    """What was lost, or told twice, of a study that is met."""
    study = optuna.load_study(study_name=request.study_name, storage=request.storage)
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state.name for trial in trials)
    found = []
    if states != {"COMPLETE": request.n_trials}:
        found.append(f"states {dict(states)} instead of {request.n_trials} COMPLETE")
    if [trial.number for trial in trials] != list(range(len(trials))):
        found.append("numbers are missing")
    whole = set(range(1, EPOCHS + 1))
    cut = [trial.number for trial in trials if set(trial.intermediate_values) != whole]
    if cut:
        found.append(f"trials without all their epochs: {cut[:5]} and so on")
    if sum(told) != request.n_trials:
        found.append(f"{sum(told)} tells of {request.n_trials} trials")
    return found


# -- command line --------------------------------------------------------------------------------


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", default="1,2,4,8,16,32", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=15.0, help="that are counted")
    parser.add_argument("--drivers", type=int, metavar="D", help="share one study, without Ray")
    parser.add_argument("--trials", type=int, default=10_000, help="of that study")
    parser.add_argument("--storage", metavar="URL")
    parser.add_argument("--data-dir", default=default_data_dir())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", help=argparse.SUPPRESS)  # what a process of its own is to do
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = make_parser().parse_args(argv)
    if args.part:
        print(json.dumps(_part(json.loads(args.part))))
        return 0
    found = _several_drivers(args) if args.drivers else _more_workers(args)
    found |= {"machine": machine(), **versions()}
    print(json.dumps(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    return 1 if found.get("faults") else 0


def _part(task: dict[str, Any]) -> Any:
    request = _request(task)
    if "workers" in task:
        return asdict(measure(request, task["workers"], task["seconds"]))
    return drive(request)


def _request(task: dict[str, Any]) -> Request:
    request = study_request(Options("normal", None, task["data_dir"]), Path(task["folder"]))
    return replace(
        request,
        n_trials=task["trials"],
        storage=task["storage"] or default_storage(Path(task["folder"])),
        study_name=task["study"],
    )


def _more_workers(args: argparse.Namespace) -> dict[str, Any]:
    print("workers   trials/s   epochs/s   driver, % of a core   database, % of time")
    rows = []
    for workers in map(int, args.workers.split(",")):
        with _study(args, trials=10**6) as task:
            process = _start({**task, "workers": workers, "seconds": args.seconds})
            rows.append(rates := _answer(process))
        shares = [100 * rates[name] for name in ("driver_share", "database_share")]
        figures = [rates[name] for name in ("trials_a_second", "epochs_a_second")]
        print(f"{workers:7}", *(f"{figure:10.1f}" for figure in (*figures, *shares)), flush=True)
    return {"rates": rows}


def _several_drivers(args: argparse.Namespace) -> dict[str, Any]:
    with _study(args, args.trials) as task:
        start = time.perf_counter()
        told = [_answer(p) for p in [_start(task) for _ in range(args.drivers)]]
        seconds = time.perf_counter() - start
        wrong = faults(_request(task), told)
    print(f"{args.trials} trials of {EPOCHS} epochs by {args.drivers} drivers: {seconds:.0f} s")
    verdict = "; ".join(wrong) or "nothing lost, nothing twice"
    print(f"told by each: {', '.join(map(str, told))}; {verdict}")
    return {"trials": args.trials, "seconds": seconds, "told": told, "faults": wrong}


@contextmanager
def _study(args: argparse.Namespace, trials: int) -> Iterator[dict[str, Any]]:
    """A new one in ``--storage``, with a folder that goes."""
    with tempfile.TemporaryDirectory() as folder:
        yield {
            "folder": folder,
            "study": f"scale-{uuid.uuid4().hex[:8]}",
            "trials": trials,
            "storage": args.storage,
            "data_dir": args.data_dir,
        }


def _start(task: dict[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.scale", "--part", json.dumps(task)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _answer(process: subprocess.Popen[str]) -> Any:
    """The last line of what it printed."""
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(f"a driver ended with {process.returncode}")
    return json.loads(output.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
