"""Large studies, made in seconds: finished trials written into Optuna's tables many at a time."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import TrialState
from sqlalchemy import create_engine, insert

from benchmarks.harness import Options
from benchmarks.jobs import plan_of, request_of
from search.common.locations import default_storage
from search.record.trials import PAUSED, TARGET
from search.settings.open_study import find_record, open_study
from search.settings.request import Request
from search.storage.lease import Lease
from search.storage.optuna_internals import (
    PARAMS,
    REPORTS,
    TRIALS,
    USER_ATTRIBUTES,
    VALUES,
    storage_of,
)
from search.storage.storage import open_storage, write_often
from search.strategy.distributions import distributions
from search.strategy.pruners import PROMOTION
from search.study.messages import Completed, EpochDone, Message, Task
from search.study.trial_runner import TrialRunner

EPOCHS, NO_OPS = 30, 9
FIGURES = (  # as many numbers as the runner keeps of a trial
    *("best_epoch", "test_top1", "test_top5", "test_loss", "test_loss_batch_sum", "test_seconds"),
    *("cpu_seconds", "wall_seconds", "cpu_utilization", "peak_memory_mb"),
    *("parameters", "macs", "seconds_per_epoch"),
)


def study_request(options: Options, results_dir: Path, pruner: str = "halving") -> Request:
    """A search of wrn_sam (seven parameters, TPE) over small images."""
    flags = ("--space", "wrn_sam", "--preset", "quick", "--set", f"epochs={EPOCHS}")
    options = replace(options, dataset="digits")
    request = request_of(options, *flags, "--pruner", pruner, "--results-dir", str(results_dir))
    settings = replace(request.settings, n_trials=10**6)
    return replace(request, settings=settings, storage=default_storage(results_dir))


@contextmanager
def open_runner(request: Request) -> Iterator[TrialRunner]:
    """What ``search.run`` opens before it starts Ray."""
    storage = open_storage(request.storage)
    plan = plan_of(request, find_record(request, storage))
    with Lease(plan.folder, storage) as lease:
        write_often(storage)
        yield TrialRunner(open_study(plan, storage, lease), plan, lease, lambda event: None)


def make_study(options: Options, results_dir: Path, trials: int, paused: bool = False) -> Request:
    """A study of ``trials`` completed trials with 30 epochs each, or ``paused`` ones after the
    first epoch; its trial 0 is not begun."""
    pruner = PROMOTION if paused else "halving"
    request = study_request(options, results_dir, pruner)
    with open_runner(request) as runner:
        study_id = storage_of(runner.study).get_study_id_from_name(request.study_name)
    engine = create_engine(request.storage)
    rows = _rows(request, study_id, trials, 1 if paused else EPOCHS)
    with engine.begin() as connection:
        for table, values in rows.items():
            if values:
                connection.execute(insert(table), values)
    engine.dispose()
    return request


def _rows(
    request: Request, study_id: int, trials: int, epochs: int
) -> dict[Any, list[dict[str, Any]]]:
    """Where ``epochs`` are not all, the trials pause after them."""
    complete = epochs == EPOCHS
    drawn = random.Random(0)
    kinds = {name: (d, distribution_to_json(d)) for name, d in _distributions(request).items()}
    tables = (TRIALS, PARAMS, VALUES, REPORTS, USER_ATTRIBUTES)
    rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in tables}
    first, start = 2, datetime(2026, 1, 1)  # 1 is the baseline, waiting
    for number in range(1, trials + 1):
        trial_id = first + number - 1
        final = 40 + 50 * drawn.random()
        curve = [final * (1 - math.exp(-epoch / 8)) for epoch in range(1, epochs + 1)]
        began = start + timedelta(minutes=number)
        rows[TRIALS].append(
            {
                "trial_id": trial_id,
                "number": number,
                "study_id": study_id,
                "state": TrialState.COMPLETE if complete else TrialState.RUNNING,
                "datetime_start": began,
                "datetime_complete": began + timedelta(minutes=1) if complete else None,
            }
        )
        value = {"objective": 0, "value": curve[-1], "value_type": "FINITE"}
        rows[VALUES] += [{"trial_id": trial_id, **value}] if complete else []
        rows[PARAMS] += [
            {
                "trial_id": trial_id,
                "param_name": name,
                "param_value": _internal(distribution, drawn),
                "distribution_json": text,
            }
            for name, (distribution, text) in kinds.items()
        ]
        rows[REPORTS] += [
            {
                "trial_id": trial_id,
                "step": epoch,
                "intermediate_value": value,
                "intermediate_value_type": "FINITE",
            }
            for epoch, value in enumerate(curve, 1)
        ]
        figures = {key: drawn.random() for key in FIGURES}
        attributes = figures if complete else {**figures, TARGET: epochs, PAUSED: epochs}
        rows[USER_ATTRIBUTES] += [
            {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
            for key, value in attributes.items()
        ]
    return rows


def _distributions(request: Request) -> dict[str, Any]:
    return dict(distributions(request.space.parameters))


def _internal(distribution: Any, drawn: random.Random) -> float:
    """A value inside a distribution, as the tables hold it: a number, or a choice's index."""
    if hasattr(distribution, "choices"):
        return drawn.randrange(len(distribution.choices))
    low, high = distribution.low, distribution.high
    if distribution.step:
        steps = round((high - low) / distribution.step)
        return low + distribution.step * drawn.randint(0, steps)
    if distribution.log:
        value = math.exp(drawn.uniform(math.log(low), math.log(high)))
    else:
        value = drawn.uniform(low, high)
    return round(value) if isinstance(low, int) else value


def whole_trial(runner: TrialRunner, epochs: int = 2) -> None:
    """Ask, some reports with a decision each, tell; the trial's value is like the others'."""
    task = next_task(runner)
    for epoch in range(1, epochs + 1):
        if not report(runner, task, epoch):
            return
    runner.finish(task.number, Completed(dict.fromkeys(FIGURES, 0.5)))


def next_task(runner: TrialRunner) -> Task:
    task = runner.ask()
    assert task is not None
    return task


def report(runner: TrialRunner, task: Task, epoch: int) -> bool:
    """One epoch of a trial that is as good as the best, so that it continues."""
    value = 90 * (1 - math.exp(-epoch / 8))
    usage = dict.fromkeys(FIGURES[6:], 0.5)
    return runner.report(task.number, EpochDone({"epoch": epoch, "val_top1": value}, usage))


def do_nothing(task: Task) -> Iterator[Message]:
    """What a worker tells of a trial that trains nothing."""
    for epoch in range(task.reported + 1, NO_OPS + 1):
        yield EpochDone({"epoch": epoch, "val_top1": 50.0}, {"wall_seconds": 0.0})
    yield Completed({"test_top1": 50.0})
