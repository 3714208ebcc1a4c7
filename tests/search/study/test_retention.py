"""What trials that have ended leave on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from search.study.messages import Completed, Failed, Task
from tests.search.desk import Desk, Desks

KEPT_ALWAYS = {"history.csv", "test.json"}
CHECKPOINTS = {"checkpoint.pt", "checkpoint.previous.pt"}
WRITTEN = KEPT_ALWAYS | CHECKPOINTS | {"best.pt"}


@pytest.fixture
def storage(tmp_path: Path) -> Any:
    return optuna.storages.InMemoryStorage()


def write(desk: Desk, task: Task) -> None:
    """As a worker would."""
    folder = desk.folder.trial(task.number)
    folder.mkdir(parents=True)
    for name in WRITTEN:
        (folder / name).touch()


def complete(desk: Desk, *values: float) -> None:
    """A trial for each of ``values``, then a look for one more."""
    for value in values:
        task = desk.next_task()
        write(desk, task)
        assert desk.report(task, value, value, value, value)
        desk.runner.finish(task.number, Completed({}))
    desk.runner.ask()


def files(desk: Desk, number: int) -> set[str]:
    return {path.name for path in desk.folder.trial(number).iterdir()}


def with_weights(desk: Desk) -> list[int]:
    return [int(file.parent.name) for file in desk.folder.weights()]


def never_pruned(open_desk: Desks, storage: Any, **options: Any) -> Desk:
    return open_desk(storage, pruner=optuna.pruners.NopPruner(), **options)


def test_a_trial_that_may_go_on_keeps_everything(open_desk: Desks, storage: Any) -> None:
    desk = open_desk(storage, n_trials=2)
    live = desk.next_task()
    write(desk, live)
    desk.report(live, 50.0, 60.0)
    desk.next_task()
    assert files(desk, 0) == WRITTEN


def test_a_pruned_trial_keeps_its_history_alone(open_desk: Desks, storage: Any) -> None:
    desk = open_desk(storage, n_trials=3)
    complete(desk, 90.0)
    desk.runner.release(1)
    pruned = desk.next_task()
    write(desk, pruned)
    assert not desk.report(pruned, 1.0, 1.0)
    desk.next_task()
    assert files(desk, 1) == KEPT_ALWAYS


def test_a_failed_trial_keeps_its_history_alone(open_desk: Desks, storage: Any) -> None:
    desk = open_desk(storage, n_trials=2)
    task = desk.next_task()
    write(desk, task)
    desk.runner.finish(task.number, Failed("ValueError: no"))
    desk.runner.ask()
    assert files(desk, task.number) == KEPT_ALWAYS


def test_the_best_three_and_the_baseline_keep_their_weights(open_desk: Desks, storage: Any) -> None:
    desk = never_pruned(open_desk, storage, n_trials=7)
    complete(desk, 10.0, 60.0, 50.0, 40.0)
    assert with_weights(desk) == [0, 1, 2, 3]
    assert files(desk, 1) == KEPT_ALWAYS | {"best.pt"}
    (number,) = desk.runner.live
    desk.runner.release(number)
    complete(desk, 70.0, 20.0)
    assert with_weights(desk) == [0, 1, 2, 4]


def test_the_lowest_are_the_best_where_less_is_better(open_desk: Desks, storage: Any) -> None:
    desk = never_pruned(open_desk, storage, n_trials=5, direction="minimize")
    complete(desk, 90.0, 60.0, 50.0, 40.0, 70.0)
    assert with_weights(desk) == [0, 1, 2, 3]


@pytest.mark.parametrize(("keep", "kept"), [("all", [0, 1, 2, 3, 4]), ("none", [])])
def test_all_or_none_are_kept(open_desk: Desks, storage: Any, keep: str, kept: list[int]) -> None:
    desk = never_pruned(open_desk, storage, n_trials=5, keep_weights=keep)
    complete(desk, 10.0, 50.0, 40.0, 30.0, 20.0)
    assert with_weights(desk) == kept
    assert not any(files(desk, number) & CHECKPOINTS for number in range(5))


def test_what_a_killed_driver_left_goes_with_the_next_one(open_desk: Desks, storage: Any) -> None:
    """It was killed between telling a trial and removing its files."""
    first = never_pruned(open_desk, storage, n_trials=6)
    complete(first, 10.0, 50.0, 40.0, 30.0, 20.0)
    for number in (0, 4):
        for name in WRITTEN:
            (first.folder.trial(number) / name).touch()
    second = never_pruned(open_desk, storage, n_trials=6)
    second.runner.ask()
    assert with_weights(second) == [0, 1, 2, 3]
    assert files(second, 4) == KEPT_ALWAYS
    assert files(second, 0) == KEPT_ALWAYS | {"best.pt"}
