"""A grid: every row once, whatever is enqueued, fails or is cut off by a crash."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.common.errors import UserError
from search.storage.optuna_internals import suggest
from search.storage.storage import open_storage
from search.strategy.distributions import distributions
from search.strategy.grid import grid_rows
from search.study.messages import Completed, Failed
from spaces.params import Categorical, Float, Int
from spaces.space import Constraint, ResolvedSpace
from tests.search.desk import Desk, Desks

TWO_BY_THREE = (Float("lr", 0.01, 1.0, log=True), Categorical("optimizer", ("sgd", "sam")))


@pytest.fixture
def grid_space(make_space: Any) -> ResolvedSpace:
    return make_space()  # 3 x 4 x 2 x 2 rows


@pytest.fixture
def small(make_space: Any) -> ResolvedSpace:
    return make_space(parameters=TWO_BY_THREE)


def train_all(desk: Desk, fails: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    """Trials in turn until none is left; the parameters of those that completed, in order."""
    while (task := desk.runner.ask()) is not None:
        desk.report(task, 50.0, 50.0, 50.0, 50.0)
        failed = task.number in fails
        desk.runner.finish(task.number, Failed(f"no {task.number}") if failed else Completed({}))
    trials = desk.study.get_trials()
    return [trial.params for trial in trials if trial.state.name != "FAIL"]


def keys(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return sorted(tuple(row[name] for name in sorted(row)) for row in rows)


def test_the_grid_is_the_product_with_the_baseline_first(grid_space: ResolvedSpace) -> None:
    points = grid_rows(grid_space)
    assert points[0] == {"lr": 0.1, "depth": 16, "optimizer": "sgd", "residual": True}
    product = itertools.product((0.01, 0.1, 1.0), (10, 16, 22, 28), ("sgd", "sam"), (True, False))
    expected = {(round(lr, 9), *rest) for lr, *rest in product}
    assert {
        (round(p["lr"], 9), p["depth"], p["optimizer"], p["residual"]) for p in points
    } == expected
    assert len(points) == len(expected)


def test_a_baseline_off_the_grid_is_one_point_more(make_space: Any) -> None:
    space = make_space({"lr": 0.3})
    points = grid_rows(space)
    assert points[0]["lr"] == 0.3
    assert len(points) == 1 + 3 * 4 * 2 * 2


def test_the_grid_keeps_constraints(make_space: Any) -> None:
    rule = Constraint("sgd only", lambda values: values["optimizer"] == "sgd")
    assert len(grid_rows(make_space(constraints=(rule,)))) == 3 * 4 * 2


def test_a_range_of_billions_is_counted_not_listed(make_space: Any) -> None:
    seeds = (Int("seed", 0, 2**31),)
    with pytest.raises(UserError, match=r"at most 10,000 points, got 2,147,483,649"):
        grid_rows(make_space({"seed": 0}, seeds))


def test_a_grid_too_large_is_refused(make_space: Any) -> None:
    wide = (Int("depth", 10, 6010, step=6), Int("batch_size", 1, 512))
    with pytest.raises(UserError, match=r"at most 10,000 points, got 512,512.*--sampler"):
        grid_rows(make_space({"batch_size": 64}, wide))


def test_the_rows_come_in_order(open_desk: Desks, small: ResolvedSpace, tmp_path: Path) -> None:
    """Also through a database, whose numbers may differ by rounding."""
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    desk = open_desk(storage, small, n_trials=6, sampler="grid")
    assert train_all(desk) == grid_rows(small)
    assert desk.runner.is_met()


def test_an_enqueued_row_is_neither_lost_nor_repeated(
    open_desk: Desks, small: ResolvedSpace
) -> None:
    desk = open_desk(space=small, n_trials=6, sampler="grid")
    desk.study.enqueue_trial(grid_rows(small)[3])
    assert keys(train_all(desk)) == keys(grid_rows(small))


def test_a_point_off_the_grid_comes_in_addition(open_desk: Desks, small: ResolvedSpace) -> None:
    desk = open_desk(space=small, n_trials=6, sampler="grid")
    off = {"lr": 0.5, "optimizer": "sam"}
    desk.study.enqueue_trial(off)
    assert keys(train_all(desk)) == keys([off, *grid_rows(small)])


def test_part_of_a_row_enqueued_is_the_first_row_that_has_it(
    open_desk: Desks, small: ResolvedSpace
) -> None:
    desk = open_desk(space=small, n_trials=6, sampler="grid")
    desk.study.enqueue_trial({"optimizer": "sam"})
    drawn = train_all(desk)
    assert drawn[1] == next(row for row in grid_rows(small) if row["optimizer"] == "sam")
    assert keys(drawn) == keys(grid_rows(small))


def test_a_failed_row_is_left_until_it_is_enqueued_again(
    open_desk: Desks, small: ResolvedSpace
) -> None:
    desk = open_desk(space=small, n_trials=6, sampler="grid")
    rows = grid_rows(small)
    assert keys(train_all(desk, fails=(2,))) == keys(rows[:2] + rows[3:])
    assert desk.runner.is_met()
    desk.study.enqueue_trial(rows[2])
    assert keys(train_all(desk)) == keys(rows)
    assert len(desk.study.get_trials()) == 7


def test_two_drivers_share_the_rows(open_desk: Desks, small: ResolvedSpace) -> None:
    storage = optuna.storages.InMemoryStorage()
    desks = [open_desk(storage, small, n_trials=6, sampler="grid") for _ in range(2)]
    tasks = [desk.next_task() for _ in range(3) for desk in desks]
    names = list(small.baseline_params())
    rows = [{name: task.config[name] for name in names} for task in tasks]
    assert rows == grid_rows(small)
    assert all(desk.runner.ask() is None for desk in desks)


def test_a_crash_between_parameters_leaves_the_row_to_its_trial(
    open_desk: Desks, small: ResolvedSpace
) -> None:
    storage = optuna.storages.InMemoryStorage()
    lost = open_desk(storage, small, n_trials=6, sampler="grid")
    lost.next_task()
    trial = lost.study.ask()  # a driver dies here, having drawn one of two
    suggest(trial, "lr", distributions(small.parameters)["lr"])
    lost.lease.__exit__()
    assert keys(train_all(open_desk(storage, small, n_trials=6, sampler="grid"))) == keys(
        grid_rows(small)
    )
    assert len(lost.study.get_trials()) == 6


def test_fewer_trials_than_rows_are_the_first_rows(open_desk: Desks, small: ResolvedSpace) -> None:
    desk = open_desk(space=small, n_trials=4, sampler="grid")
    assert train_all(desk) == grid_rows(small)[:4]


def test_a_space_in_which_nothing_varies_has_one_row(make_space: Any, open_desk: Desks) -> None:
    space = make_space(parameters=())
    assert grid_rows(space) == [{}]
    assert len(train_all(open_desk(space=space, n_trials=1, sampler="grid"))) == 1
