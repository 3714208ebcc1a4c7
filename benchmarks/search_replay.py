"""The product's runner on a table of learning curves: trainings that cost nothing, simulated time.

A table is an .npz file: ``curves`` (configurations, epochs), higher is better, NaN from where a run
diverged; ``params`` (configurations, hyperparameters) and ``log``, which of them are on a
logarithmic scale.
"""

from __future__ import annotations

import heapq
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.common.layout import StudyFolder
from search.settings.plan import TrialPlan
from search.storage.lease import Lease
from search.strategy.distributions import distributions
from search.study.messages import Completed, EpochDone, Task
from search.study.retention import Retention
from search.study.trial_runner import Conditions, TrialRunner
from spaces.params import Float
from spaces.space import Preset, ResolvedSpace, Space
from trainers.execution import Execution

# Stand-ins for a table's hyperparameters: options of the trainer that may have any value in (0, 1).
OPTIONS = (
    *("lr", "momentum", "beta1", "beta2", "weight_decay", "rho", "min_lr", "dropout"),
    *("label_smoothing", "decay_factor", "cutout_probability"),
)
LOW, HIGH = 1e-6, 1 - 1e-6
APART = 1e-10  # rows of the same hyperparameters are not the same configuration


class TableError(ValueError):
    """A file that is no table, or none that can be replayed."""


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
        """The last values; −∞ of what diverged."""
        bad = ~np.isfinite(self.curves).all(axis=1)
        return np.where(bad, -np.inf, self.curves[:, -1])

    def without_parameters(self) -> Table:
        """The same curves; a configuration's one parameter is its place in the table."""
        count = len(self.curves)
        return replace(self, points=np.linspace(2 * LOW, 1 - 2 * LOW, count)[:, None])

    def regret(self, found: float) -> float:
        """0: the best of the table, 1: no better than the median; than the median of those that
        did not diverge, where most did."""
        final = self.final
        best, median = final.max(), np.median(final)
        if not np.isfinite(median):
            median = np.median(final[np.isfinite(final)])
        if best == median:
            return float(found < best)
        return float(np.clip((best - found) / (best - median), 0, 1))


def read_tables(folder: Path) -> list[Table]:
    """All of ``folder``, by name. Raises ``TableError``."""
    tables = [_read(path) for path in sorted(folder.glob("*.npz"))]
    if not tables:
        raise TableError(f"there is no .npz file in {str(folder)!r}")
    return tables


def _read(path: Path) -> Table:
    with np.load(path) as file:
        if missing := {"curves", "params", "log"} - set(file.files):
            raise TableError(f"{path.name} has no {', '.join(sorted(missing))}")
        curves, params = file["curves"].astype(float), file["params"].astype(float)
        log = file["log"].astype(bool)
    if curves.ndim != 2 or len(params) != len(curves) or params.shape[1:] != log.shape:
        shapes = f"curves {curves.shape}, params {params.shape}, log {log.shape}"
        raise TableError(f"{path.name}: shapes do not fit together: {shapes}")
    if not 0 < len(log) <= len(OPTIONS):
        raise TableError(f"{path.name} must have 1 to {len(OPTIONS)} parameters, got {len(log)}")
    table = Table(path.stem, curves, _in_unit_cube(params, log))
    if not np.isfinite(table.final).any():
        raise TableError(f"{path.name}: every configuration diverged")
    return table


def _in_unit_cube(params: np.ndarray, log: np.ndarray) -> np.ndarray:
    scaled = np.where(log, np.log(np.where(log & (params > 0), params, 1.0)), params)
    low, high = scaled.min(0), scaled.max(0)
    share = (scaled - low) / np.where(high > low, high - low, 1.0)
    return 2 * LOW + share * (1 - 4 * LOW) + APART * np.arange(len(params))[:, None]


def space_of(table: Table) -> ResolvedSpace:
    """A space of as many parameters as the table has."""
    names = OPTIONS[: table.points.shape[1]]
    preset = Preset(dataset="digits", n_trials=1)
    baseline = {"model": "wide_resnet", "depth": 10, "width": 1, "epochs": table.epochs}
    return Space(
        name="table",
        title=table.name,
        source="replay",
        baseline={**baseline, **dict.fromkeys(names, 0.5)},
        parameters=tuple(Float(name, LOW, HIGH) for name in names),
        presets={"quick": preset, "full": preset},
    ).at("quick")


class Rows(BaseSampler):
    """Each trial is a row of the table that none was before: the next in ``order``, or the nearest
    to what ``proposer`` proposes. The study knows the row's own parameters."""

    def __init__(self, table: Table, order: np.ndarray, proposer: BaseSampler | None):
        self._points, self._order, self._proposer = table.points, order, proposer
        self._distributions = distributions(space_of(table).parameters)
        self._free = np.ones(len(order), bool)
        self._of: dict[int, int] = {}

    def of(self, number: int) -> int:
        """The row that trial ``number`` has."""
        return self._of[number]

    @property
    def used(self) -> list[int]:
        """The rows in the order in which trials got them."""
        return list(self._of.values())

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        row = int(self._order[len(self._of)])
        if self._proposer:
            distance = ((self._points - self._proposed(study, trial, self._proposer)) ** 2).sum(1)
            row = int(np.argmin(np.where(self._free, distance, np.inf)))
        self._of[trial.number], self._free[row] = row, False
        return dict(zip(self._distributions, map(float, self._points[row]), strict=True))

    def _proposed(self, study: Study, trial: FrozenTrial, proposer: BaseSampler) -> np.ndarray:
        varying = proposer.infer_relative_search_space(study, trial)
        point = proposer.sample_relative(study, trial, varying)
        for name, distribution in self._distributions.items():
            if name not in point:
                point[name] = proposer.sample_independent(study, trial, name, distribution)
        return np.array([point[name] for name in self._distributions])

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is not part of the table")


@dataclass(frozen=True)
class Spend:
    """The time of ``trainings`` full trainings for all ``workers`` together. ``planned``: the
    search knows of it, as epochs where there is one worker, as time for several."""

    trainings: int
    workers: int
    planned: bool

    def time(self, table: Table) -> float:
        """In epochs."""
        return self.trainings * table.epochs / self.workers


def replay(table: Table, rows: Rows, pruner: BasePruner, spend: Spend) -> list[tuple[float, float]]:
    """When trials were trained to their end, and their last values. An epoch takes one unit of
    time. No trial is the baseline, which would run to its end whatever the rule says: its place,
    trial 0, is taken by one that failed."""
    with ExitStack() as stack:
        folder = StudyFolder(Path(stack.enter_context(tempfile.TemporaryDirectory())), "replay")
        lease = stack.enter_context(Lease(folder))
        study = optuna.create_study(direction="maximize", sampler=rows, pruner=pruner)
        study.add_trial(create_trial(state=TrialState.FAIL))
        epochs = spend.trainings * table.epochs if spend.planned and spend.workers == 1 else None
        plan = TrialPlan(
            space_of(table),
            1 + len(table.curves),
            Execution(),
            Path("nowhere"),
            folder,
            ("val_top1",),
            epoch_budget=epochs,
        )
        no_files = _NoFiles(plan, study.directions[0])
        runner = TrialRunner(study, plan, lease, lambda event: None, retention=no_files)
        crew = _Crew(runner, table, rows, spend)
        if spend.planned and spend.workers > 1:
            runner.train_under(Conditions(seconds_left=crew.time_left))
        return list(crew.work())


class _NoFiles(Retention):
    """What trained nothing leaves nothing."""

    def sweep(self, trials: Sequence[FrozenTrial]) -> None:
        pass


class _Crew:
    """Workers that train nothing: the curves are known."""

    def __init__(self, runner: TrialRunner, table: Table, rows: Rows, spend: Spend):
        self._runner, self._table, self._rows = runner, table, rows
        self._workers, self._end = spend.workers, spend.time(table)
        self._now, self._count = 0.0, 0
        self._busy: list[tuple[float, int, int, Task]] = []  # end of an epoch, turn, epoch, task

    def time_left(self) -> float:
        return self._end - self._now

    def work(self) -> Iterator[tuple[float, float]]:
        """Until the time is over: when a trial completes, and its last value."""
        while True:
            while len(self._busy) < self._workers and (task := self._runner.ask(self._workers)):
                self._train(task, task.reported + 1)
            if not self._busy or self._busy[0][0] > self._end:
                return
            self._now, _, epoch, task = heapq.heappop(self._busy)
            value = float(self._table.curves[self._rows.of(task.number), epoch - 1])
            news = EpochDone({"epoch": epoch, "val_top1": value}, {"seconds_per_epoch": 1.0})
            if not self._runner.report(task.number, news):
                continue
            if epoch < self._table.epochs:
                self._train(task, epoch + 1)
                continue
            self._runner.finish(task.number, Completed({}))
            yield self._now, value

    def _train(self, task: Task, epoch: int) -> None:
        self._count += 1
        heapq.heappush(self._busy, (self._now + 1, self._count, epoch, task))


def best_by(completed: list[tuple[float, float]], time: float) -> float:
    """−∞ where none was completed by ``time``."""
    return max((value for when, value in completed if when <= time), default=-math.inf)
