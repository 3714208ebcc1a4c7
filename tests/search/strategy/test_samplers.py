"""Samplers: what a trial gets follows from seed and number; all of them get through a search."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from typing import Any

import optuna
import pytest

from search.strategy.distributions import distributions
from search.strategy.samplers import SAMPLERS, STARTUP, make_sampler
from search.study.messages import Completed, Diverged, Failed, OutOfMemory
from spaces.params import Categorical, Float, Int
from spaces.space import Constraint, ResolvedSpace
from tests.search.desk import Desk, Desks

MIXED = (
    Float("lr", 0.01, 1.0, log=True),
    Float("dropout", 0.0, 0.5),
    Int("depth", 10, 28, step=6),
    Int("batch_size", 16, 256, log=True),
    Categorical("optimizer", ("sgd", "sam")),
    Categorical("residual", (True, False)),
)
EXTRA = {"dropout": 0.0, "batch_size": 64}


@pytest.fixture
def space(make_space: Any) -> ResolvedSpace:
    return make_space(EXTRA, MIXED)


@pytest.fixture
def grid_space(make_space: Any) -> ResolvedSpace:
    return make_space()  # 3 x 4 x 2 x 2 points


def run(desk: Desk, total: int) -> list[dict[str, Any]]:
    """Trials in turn, some pruned, diverged, failed or out of memory; their parameters."""
    while (task := desk.runner.ask()) is not None:
        n = task.number
        assert n < total
        if n % 7 == 5:
            desk.runner.finish(n, Failed("ValueError: no"))
        elif n % 7 == 6:
            desk.runner.finish(n, OutOfMemory("host memory"))
        elif n % 7 == 3:
            desk.runner.finish(n, Diverged("diverged in epoch 1", 1))
        elif desk.report(task, 10.0 * task.config["lr"], 50.0 - n % 11):
            desk.report(task, 60.0, 60.0, first=3)
            desk.runner.finish(n, Completed({}))
    return [trial.params for trial in desk.study.get_trials()]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_works_through_a_mixed_search(
    open_desk: Desks, space: ResolvedSpace, grid_space: ResolvedSpace, sampler: str
) -> None:
    used = grid_space if sampler == "grid" else space
    total = 16 if sampler == "gp" else 30  # which takes its time
    desk = open_desk(space=used, n_trials=total, sampler=sampler)
    drawn = run(desk, total)
    assert len(drawn) == total
    for params in drawn:
        for parameter in used.parameters:
            parameter.check(params[parameter.name])
    assert drawn[0] == used.baseline_params()
    states = {trial.state.name for trial in desk.study.get_trials()}
    assert states == {"COMPLETE", "PRUNED", "FAIL"}
    for parameter in used.parameters:
        assert len({params[parameter.name] for params in drawn}) > 1, parameter.name


LEARNERS = sorted(set(SAMPLERS) - {"grid"})
ONE_PERCENT = Constraint(  # the baseline among it
    "lr must follow dropout",
    lambda values: abs(math.log10(values["lr"] / 0.1) - values["dropout"]) < 0.01,
)


@pytest.mark.parametrize("sampler", LEARNERS)
def test_no_trial_is_wasted_on_a_tight_constraint(
    open_desk: Desks, make_space: Any, sampler: str
) -> None:
    space = make_space(EXTRA, MIXED, (ONE_PERCENT,))
    desk = open_desk(space=space, n_trials=15, sampler=sampler)
    drawn = run(desk, 15)
    assert all(space.broken_constraint(params) is None for params in drawn)
    assert len({params["lr"] for params in drawn}) == 15


def test_a_constraint_costs_one_proposal_of_the_gaussian_process(
    make_space: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes some tenths of a second; what follows are draws without it."""
    proposals = []

    def propose(self: Any, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        proposals.append(trial.number)
        return {}

    monkeypatch.setattr(optuna.samplers.GPSampler, "sample_relative", propose)
    space = make_space(EXTRA, MIXED, (ONE_PERCENT,))
    study = optuna.create_study(sampler=make_sampler("gp", space, 0))
    for _ in range(3):
        study.ask(distributions(space.parameters))
    assert proposals == [0, 1, 2]


@pytest.mark.parametrize("sampler", LEARNERS)
def test_what_no_point_keeps_is_given_up(make_space: Any, sampler: str) -> None:
    baseline_only = Constraint("only the baseline", lambda values: values["lr"] == 0.1)
    space = make_space(EXTRA, MIXED, (baseline_only,))
    study = optuna.create_study(sampler=make_sampler(sampler, space, 0))
    params = study.ask(distributions(space.parameters)).params
    for parameter in space.parameters:
        parameter.check(params[parameter.name])


def test_what_was_enqueued_stays_where_a_constraint_moves_the_rest(make_space: Any) -> None:
    space = make_space(EXTRA, MIXED, (ONE_PERCENT,))
    study = optuna.create_study(sampler=make_sampler("tpe", space, 0))
    study.enqueue_trial({"lr": 0.2, "batch_size": 17})
    params = study.ask(distributions(space.parameters)).params
    assert (params["lr"], params["batch_size"]) == (0.2, 17)
    assert params["dropout"] == pytest.approx(math.log10(2), abs=0.01)


@pytest.mark.parametrize("sampler", LEARNERS)
def test_a_range_of_billions_is_not_listed(make_space: Any, sampler: str) -> None:
    space = make_space({"seed": 0}, (Int("seed", 0, 2**31),))
    study = optuna.create_study(sampler=make_sampler(sampler, space, 0))
    drawn = [study.ask(distributions(space.parameters)).params["seed"] for _ in range(4)]
    assert len(set(drawn)) == 4
    assert max(drawn) > 2**28


@pytest.mark.parametrize(("sampler", "learns_after"), [("tpe", STARTUP + 2), ("gp", 12)])
def test_a_sampler_follows_the_studys_direction(
    make_space: Any, sampler: str, learns_after: int
) -> None:
    """A value that grows with the rate is driven up, or down, over two decades."""
    space = make_space(parameters=(Float("lr", 0.01, 1.0, log=True),))
    means = {}
    for direction in ("minimize", "maximize"):
        made = make_sampler(sampler, space, 0)
        study = optuna.create_study(direction=direction, sampler=made)
        for _ in range(learns_after + 8):
            trial = study.ask(distributions(space.parameters))
            study.tell(trial, math.log10(trial.params["lr"]))
        means[direction] = sum(t.value or 0.0 for t in study.get_trials()[learns_after:]) / 8
    assert means["minimize"] < -1.3
    assert means["maximize"] > -0.7


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_resumed_search_draws_what_an_uninterrupted_one_draws(
    open_desk: Desks, grid_space: ResolvedSpace, sampler: str
) -> None:
    """A new driver for every four trials, against one driver for all."""
    whole = run(open_desk(space=grid_space, n_trials=16, sampler=sampler), 16)
    storage = optuna.storages.InMemoryStorage()
    for total in (4, 8, 12, 16):
        desk = open_desk(storage, space=grid_space, n_trials=total, sampler=sampler)
        drawn = run(desk, 16)
    assert drawn == whole


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid"])
def test_what_a_trial_gets_does_not_depend_on_the_others(
    open_desk: Desks, grid_space: ResolvedSpace, sampler: str
) -> None:
    asked = open_desk(space=grid_space, n_trials=8, sampler=sampler)
    at_once = [asked.next_task().config for _ in range(8)]
    told = open_desk(space=grid_space, n_trials=8, sampler=sampler)
    run(told, 8)
    names = list(grid_space.baseline_params())
    one_by_one = [trial.params for trial in told.study.get_trials()]
    assert [{name: config[name] for name in names} for config in at_once] == one_by_one


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_range_that_leaves_out_the_baseline_holds_for_all_other_trials(
    open_desk: Desks, space: ResolvedSpace, grid_space: ResolvedSpace, sampler: str
) -> None:
    used = (grid_space if sampler == "grid" else space).narrow({"lr": (0.2, 1.0)})
    total = 10 if sampler == "gp" else 34  # TPE learns from the 31st on
    drawn = run(open_desk(space=used, n_trials=total, sampler=sampler), total)
    assert drawn[0] == used.baseline_params()
    assert drawn[0]["lr"] == 0.1
    assert all(0.2 <= params["lr"] <= 1.0 for params in drawn[1:])


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_another_seed_draws_other_points(space: ResolvedSpace, sampler: str) -> None:
    chosen = distributions(space.parameters)
    drawn = []
    for seed in (0, 1):
        study = optuna.create_study(sampler=make_sampler(sampler, space, seed))
        drawn.append([study.ask(chosen).params for _ in range(3)])
    assert all(first != second for first, second in zip(*drawn, strict=True))


SCRIPT = """
import optuna
from search.strategy.samplers import make_sampler
from search.strategy.distributions import distributions
from spaces.named.wrn_sam import SPACE
optuna.logging.set_verbosity(optuna.logging.WARNING)
space = SPACE.at("quick")
chosen = distributions(space.parameters)
study = optuna.create_study(sampler=make_sampler("tpe", space, 3))
print([study.ask(chosen).params for _ in range(4)])
"""


def test_a_fresh_process_draws_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    exec(SCRIPT, {})
    assert done.stdout == capsys.readouterr().out


def test_qmc_is_not_shifted_by_a_crash_between_number_and_parameters(
    open_desk: Desks, grid_space: ResolvedSpace
) -> None:
    whole = open_desk(space=grid_space, n_trials=6, sampler="qmc")
    expected = [whole.next_task().config for _ in range(6)]
    desk = open_desk(space=grid_space, n_trials=6, sampler="qmc")
    first = [desk.next_task().config for _ in range(3)]
    lost = desk.study.ask()  # a driver dies here, having drawn some
    lost._suggest("lr", distributions(grid_space.parameters)["lr"])
    rest = [desk.next_task().config for _ in range(3)]
    assert first + rest == expected


def sobol_points(space: ResolvedSpace, count: int) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=make_sampler("qmc", space, 1))
    return [study.ask(distributions(space.parameters)).params for _ in range(count)]


def test_a_sobol_sequence_covers_evenly(space: ResolvedSpace) -> None:
    """Of 64 points, a quarter in each quarter of the scale, and each choice half of the time."""
    points = sobol_points(space, 64)
    bounds = [10 ** (-2 + quarter * 0.5) for quarter in range(5)]
    for low, high in itertools.pairwise(bounds):
        assert sum(low <= point["lr"] < high for point in points) == 16
    assert sum(point["optimizer"] == "sam" for point in points) == 32
    assert sorted({point["depth"] for point in points}) == [10, 16, 22, 28]
    assert sum(point["depth"] == 10 for point in points) == 16
    assert sum(point["batch_size"] < 64 for point in points) == pytest.approx(32, abs=1)


def test_sobol_points_keep_constraints_without_repeating(make_space: Any) -> None:
    rule = Constraint("sgd only", lambda values: values["optimizer"] == "sgd")
    space = make_space(EXTRA, MIXED, (rule,))
    free = make_space(EXTRA, MIXED)
    kept = sobol_points(space, 8)
    every = sobol_points(free, 40)
    assert kept == [point for point in every if point["optimizer"] == "sgd"][:8]


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - {"grid"}))
def test_a_space_in_which_nothing_varies(make_space: Any, open_desk: Desks, sampler: str) -> None:
    desk = open_desk(space=make_space(parameters=()), n_trials=2, sampler=sampler)
    assert desk.next_task().number == 0
    assert desk.runner.ask() is None  # the second is the same: it waits for the first
    assert desk.states == ["RUNNING", "RUNNING"]
