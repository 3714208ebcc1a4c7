"""A runner on a small space, with its study and its lease: what most tests of the search sit at."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.common.layout import StudyFolder
from search.settings.plan import TrialPlan
from search.storage.lease import Lease
from search.strategy.halving import HalvingPruner
from search.strategy.samplers import make_sampler
from search.study.events import Event
from search.study.messages import Completed, EpochDone, Task
from search.study.trial_runner import TrialRunner
from spaces.params import Categorical, Float, Int, Parameter
from spaces.space import Constraint, Preset, ResolvedSpace, Space
from trainers.execution import Execution

BASELINE: Mapping[str, Any] = {
    "model": "wide_resnet",
    "width": 1,
    "lr": 0.1,
    "depth": 16,
    "optimizer": "sgd",
    "residual": True,
    "epochs": 4,
}
PARAMETERS: tuple[Parameter, ...] = (
    Float("lr", 0.01, 1.0, log=True),
    Int("depth", 10, 28, step=6),
    Categorical("optimizer", ("sgd", "sam")),
    Categorical("residual", (True, False)),
)


def small_space(
    baseline: Mapping[str, Any] | None = None,
    parameters: tuple[Parameter, ...] = PARAMETERS,
    constraints: tuple[Constraint, ...] = (),
) -> ResolvedSpace:
    preset = Preset(dataset="digits", n_trials=8)
    space = Space(
        name="small",
        title="a small space",
        source="the tests",
        baseline={**BASELINE, **(baseline or {})},
        parameters=parameters,
        presets={"quick": preset, "full": preset},
        constraints=constraints,
    )
    return space.at("quick")


@dataclass
class Desk:
    """A runner, its study and what it announced."""

    study: Study
    runner: TrialRunner
    lease: Lease
    folder: StudyFolder
    events: list[Event] = field(default_factory=list)

    def report(self, task: Task, *values: float, first: int = 1) -> bool:
        """Epochs ``first``, ``first`` + 1, … of a trial; the answer to the last."""
        goes_on = True
        for epoch, value in enumerate(values, first):
            goes_on = self.runner.report(task.number, news(epoch, value))
        return goes_on

    def trial(self, number: int) -> FrozenTrial:
        return self.study.get_trials()[number]

    @property
    def states(self) -> list[str]:
        return [trial.state.name for trial in self.study.get_trials()]

    def next_task(self) -> Task:
        task = self.runner.ask()
        assert task is not None
        return task


def news(epoch: int, value: float) -> EpochDone:
    return EpochDone({"epoch": epoch, "val_top1": value}, {"cpu_seconds": float(epoch)})


class Desks:
    """Opens runners on studies below one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.leases = ExitStack()

    def __call__(
        self,
        storage: Any = None,
        space: ResolvedSpace | None = None,
        n_trials: int = 3,
        pruner: optuna.pruners.BasePruner | None = None,
        sampler: str = "random",
        direction: str = "maximize",
        keep_weights: str = "best",
        epoch_budget: int | None = None,
    ) -> Desk:
        """The study of ``storage`` (default: a new one in memory), the baseline enqueued first."""
        space = space or small_space()
        folder = StudyFolder(self.folder / "results", "study")
        lease = self.leases.enter_context(Lease(folder, storage))
        study = optuna.create_study(
            study_name="study",
            storage=storage,
            direction=direction,
            sampler=make_sampler(sampler, space, 0),
            pruner=pruner or HalvingPruner(2, 2),
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(space.baseline_params())
        data = self.folder / "data"
        objective = space.baseline["objective"]
        plan = TrialPlan(
            space,
            n_trials,
            Execution(),
            data,
            folder,
            (objective,),
            keep_weights=keep_weights,
            epoch_budget=epoch_budget,
        )
        events: list[Event] = []
        return Desk(study, TrialRunner(study, plan, lease, events.append), lease, folder, events)


def train(desk: Desk, task: Task, value: float) -> bool:
    """Its epochs, each better by one, until it pauses or completes; True if it completed."""
    for epoch in range(task.reported + 1, int(task.config["epochs"]) + 1):
        if not desk.report(task, value + epoch, first=epoch):
            return False
    desk.runner.finish(task.number, Completed({}))
    return True


def run(desk: Desk, values: list[float]) -> list[int]:
    """To the end, one trial after the other; the numbers of the tasks in order."""
    order = []
    while task := desk.runner.ask():
        order.append(task.number)
        train(desk, task, values[task.number])
    return order
