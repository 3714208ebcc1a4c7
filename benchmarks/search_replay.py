"""The product's ledger on a table of learning curves: trainings that cost nothing, simulated time.

A table is an .npz file: ``curves`` (configurations, epochs), higher is better, NaN from where a run
diverged; ``params`` (configurations, hyperparameters) and ``log``, which of them are on a
logarithmic scale.
"""

from __future__ import annotations

import heapq
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from search.common.layout import StudyFolder
from search.ledger.ledger import Ledger
from search.ledger.messages import Completed, Diverged, EpochDone, Task
from search.planning.plan import TrialPlan
from search.storage.lease import Lease
from spaces.params import Float
from spaces.space import Preset, ScaledSpace, Space
from trainers.execution import Execution

# Stand-ins for a table's hyperparameters: options of the trainer whose value may be any in [0, 1).
OPTIONS = (
    *("dropout", "momentum", "beta1", "beta2"),
    *("label_smoothing", "weight_decay", "rho", "min_lr"),
)
HIGH = 0.999999


@dataclass(frozen=True)
class Table:
    """``points``: its configurations in the unit cube, each hyperparameter on its own scale."""

    name: str
    curves: np.ndarray
    points: np.ndarray

    @property
    def epochs(self) -> int:
        return int(self.curves.shape[1])

    @property
    def final(self) -> np.ndarray:
        bad = np.isnan(self.curves).any(axis=1)
        return np.where(bad, -np.inf, self.curves[:, -1])

    def regret(self, found: float) -> float:
        """0: the best of the table, 1: no better than its median."""
        best, median = self.final.max(), float(np.median(self.final))
        return float(np.clip((best - found) / (best - median), 0, 1))


def read_tables(folder: Path) -> list[Table]:
    return [_read(path) for path in sorted(folder.glob("*.npz"))]


def _read(path: Path) -> Table:
    with np.load(path) as file:
        curves, params, log = file["curves"].astype(float), file["params"], file["log"]
    params = np.where(log, np.log(np.where(log, params, 1.0)), params)
    low, high = params.min(0), params.max(0)
    points = (params - low) / np.where(high > low, high - low, 1.0) * HIGH
    return Table(path.stem, curves, points)


def space_of(table: Table, recipe: int) -> ScaledSpace:
    """A space of as many parameters as the table has; ``recipe`` is a row of it."""
    names = OPTIONS[: table.points.shape[1]]
    point = dict(zip(names, map(float, table.points[recipe]), strict=True))
    preset = Preset(dataset="digits", n_trials=1)
    return Space(
        name="table",
        title=table.name,
        source="replay",
        recipe={"model": "wide_resnet", "depth": 10, "width": 1, "epochs": table.epochs, **point},
        parameters=tuple(Float(name, 0.0, HIGH) for name in names),
        presets={"quick": preset, "full": preset},
    ).at("quick")


class Rows:
    """Which row of the table a trial has: in the given order, or the nearest not yet used."""

    def __init__(self, table: Table, order: np.ndarray, nearest: bool):
        self._table, self._order, self._nearest = table, order, nearest
        self._of: dict[int, int] = {}
        self._free = np.ones(len(order), bool)

    def __call__(self, number: int, config: Mapping[str, Any]) -> int:
        if number not in self._of:
            row = int(self._order[number])
            if self._nearest and number:
                names = OPTIONS[: self._table.points.shape[1]]
                point = np.array([config[name] for name in names])
                distance = ((self._table.points - point) ** 2).sum(1)
                row = int(np.argmin(np.where(self._free, distance, np.inf)))
            self._of[number], self._free[row] = row, False
        return self._of[number]


@dataclass
class _Clock:
    now: float = 0.0


def replay(
    table: Table,
    order: np.ndarray,
    pruner: BasePruner,
    sampler: BaseSampler,
    space: ScaledSpace,
    workers: int,
    trainings: int,
    nearest: bool,
) -> float:
    """The best value of the trials that were trained to the end in the time that ``trainings``
    full trainings take ``workers``; −∞ where there is none. An epoch takes one unit of time."""
    with ExitStack() as stack:
        folder = StudyFolder(Path(stack.enter_context(tempfile.TemporaryDirectory())), "replay")
        lease = stack.enter_context(Lease(folder))
        study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        study.enqueue_trial(space.baseline())
        data = Path("nowhere")
        plan = TrialPlan(space, len(order), Execution(), data, folder, ("val_top1",))
        ledger = Ledger(study, plan, lease, lambda event: None)
        clock, end = _Clock(), trainings * table.epochs / workers
        if ledger.promotion:
            ledger.promotion.workers = workers
            ledger.promotion.seconds_left = lambda: end - clock.now
        rows = Rows(table, order, nearest)
        best = -math.inf
        for row in _completed(ledger, rows, table, workers, end, clock):
            best = max(best, float(table.final[row]))
        return best


def _completed(
    ledger: Ledger, rows: Rows, table: Table, workers: int, end: float, clock: _Clock
) -> Iterator[int]:
    """Works until the time is over; gives out the rows that were trained to the end."""
    busy: list[tuple[float, int, int, Task]] = []  # when its epoch is over, count, epoch, task
    count = 0
    while True:
        while len(busy) < workers and (task := ledger.next_task()) is not None:
            count += 1
            heapq.heappush(busy, (clock.now + 1, count, task.reported + 1, task))
        if not busy or busy[0][0] > end:
            return
        clock.now, _, epoch, task = heapq.heappop(busy)
        row = rows(task.number, task.config)
        value = float(table.curves[row, epoch - 1])
        if math.isnan(value):
            ledger.end(task.number, Diverged(f"diverged in epoch {epoch}", epoch))
            continue
        news = EpochDone({"epoch": epoch, "val_top1": value}, {"seconds_per_epoch": 1.0})
        if not ledger.report(task.number, news):
            continue
        if epoch == table.epochs:
            ledger.end(task.number, Completed({}))
            yield row
        else:
            count += 1
            heapq.heappush(busy, (clock.now + 1, count, epoch + 1, task))
