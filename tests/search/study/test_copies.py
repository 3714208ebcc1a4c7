"""No trial is trained twice for nothing: the record answers; failed trials are tried again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.record.trials import spending
from search.storage.storage import open_storage
from search.strategy.halving import HalvingPruner
from search.study.events import Ended, Note, Resumed, Started
from search.study.messages import Completed, Diverged, Ending, Failed, OutOfMemory, Task
from spaces.params import Categorical
from tests.search.desk import Desk, Desks

POINT = {"lr": 0.5, "depth": 16, "optimizer": "sgd", "residual": True}


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        return optuna.storages.InMemoryStorage()
    name = {"sqlite": f"sqlite:///{tmp_path}/studies.db", "journal": f"{tmp_path}/j.log"}
    return open_storage(name[request.param])


class Twins:
    """A study whose trials 1 and 2 are enqueued with the values of ``POINT``, the baseline before
    them completed."""

    def __init__(self, open_desk: Desks, storage: Any, total: int = 3, **options: Any):
        self.desk = open_desk(storage, n_trials=total, **options)
        self.desk.report(self.desk.next_task(), 40.0, 70.0, 60.0, 70.0)
        self.desk.runner.finish(0, Completed({}))
        for _ in range(2):
            self.desk.study.enqueue_trial(POINT)
        self.first: Task = self.desk.next_task()
        assert self.first.number == 1


@pytest.fixture
def twins(open_desk: Desks, storage: Any) -> Twins:
    return Twins(open_desk, storage)


def test_a_completed_configuration_is_answered_from_the_record(twins: Twins) -> None:
    desk = twins.desk
    desk.report(twins.first, 80.0, 90.0, 85.0, 90.0)
    files = {"history.csv": "epoch,val_top1\n1,80.0\n", "test.json": "{}"}
    desk.folder.trial(1).mkdir(parents=True)
    for name, text in files.items():
        (desk.folder.trial(1) / name).write_text(text)
    desk.runner.finish(1, Completed({"test_top1": 66.0}))
    assert desk.runner.ask() is None
    trial, original = desk.trial(2), desk.trial(1)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 90.0)
    assert trial.intermediate_values == {1: 80.0, 2: 90.0, 3: 85.0, 4: 90.0}
    assert trial.params == original.params
    assert trial.user_attrs["copy_of"] == 1
    assert trial.user_attrs["reason"] == "copy of trial 1: completed"
    assert (trial.user_attrs["test_top1"], trial.user_attrs["best_epoch"]) == (66.0, 2)
    assert {name: (desk.folder.trial(2) / name).read_text() for name in files} == files
    assert desk.runner.is_met()
    assert [e.number for e in desk.events if isinstance(e, Ended)] == [0, 1, 2]
    assert [e.number for e in desk.events if isinstance(e, Started)] == [0, 1]


def test_a_copy_of_a_pruned_trial_is_pruned_at_the_same_epoch(twins: Twins) -> None:
    assert not twins.desk.report(twins.first, 10.0, 10.0)
    assert twins.desk.runner.ask() is None
    trial = twins.desk.trial(2)
    assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {1: 10.0, 2: 10.0})
    assert trial.user_attrs["reason"] == "copy of trial 1: pruned at epoch 2 of 4"


def test_a_copy_of_a_diverged_trial_has_diverged(twins: Twins) -> None:
    twins.desk.runner.finish(1, Diverged("diverged in epoch 1: training loss is nan", 1))
    assert twins.desk.runner.ask() is None
    trial = twins.desk.trial(2)
    assert trial.state == TrialState.PRUNED
    assert math.isnan(trial.intermediate_values[1])


@pytest.mark.parametrize("ending", [Failed("ValueError: no"), OutOfMemory("host memory")])
def test_what_may_not_happen_again_is_tried_again(twins: Twins, ending: Ending) -> None:
    twins.desk.runner.finish(1, ending)
    assert twins.desk.next_task().number == 2


def test_without_a_pruner_a_pruned_trial_answers_nothing(twins: Twins, open_desk: Desks) -> None:
    assert not twins.desk.report(twins.first, 10.0, 10.0)
    twins.desk.study.pruner = optuna.pruners.NopPruner()
    assert twins.desk.next_task().number == 2


def test_a_baseline_that_failed_and_is_enqueued_again_is_not_pruned(
    open_desk: Desks, make_space: Any
) -> None:
    desk = open_desk(n_trials=2, pruner=HalvingPruner(2, 2))
    desk.next_task()
    desk.runner.finish(0, Failed("ValueError: no"))
    desk.study.enqueue_trial(make_space().baseline_params())
    again = desk.next_task()
    assert desk.report(again, 1.0, 0.0)  # as trial 0 it runs to its end


def test_a_configuration_at_work_is_waited_for(open_desk: Desks, storage: Any) -> None:
    """The other trials continue; the one that waits takes no worker."""
    twins = Twins(open_desk, storage, total=4, pruner=optuna.pruners.NopPruner())
    assert twins.desk.next_task().number == 3
    assert twins.desk.states[2] == "RUNNING"
    assert sorted(twins.desk.runner.live) == [1, 3]
    assert twins.desk.runner.ask() is None
    twins.desk.report(twins.first, 80.0)
    twins.desk.runner.finish(1, Completed({}))
    assert twins.desk.runner.ask() is None
    assert twins.desk.trial(2).user_attrs["copy_of"] == 1
    assert not any(isinstance(event, Resumed) for event in twins.desk.events)


def test_who_waited_for_a_failure_is_trained(twins: Twins) -> None:
    assert twins.desk.runner.ask() is None
    twins.desk.runner.finish(1, Failed("ValueError: no"))
    assert twins.desk.next_task().number == 2


def test_a_copy_that_a_crash_cut_off_is_finished(open_desk: Desks, storage: Any) -> None:
    twins = Twins(open_desk, storage)
    twins.desk.report(twins.first, 80.0, 90.0)
    assert twins.desk.runner.ask() is None  # the copy waits for the first
    trials = storage.get_all_trials(storage.get_study_id_from_name("study"))
    storage.set_trial_intermediate_value(trials[2]._trial_id, 1, 80.0)
    twins.desk.runner.finish(1, Completed({}))
    twins.desk.lease.__exit__()

    second = open_desk(storage, n_trials=3)
    assert second.runner.ask() is None
    assert second.trial(2).intermediate_values == {1: 80.0, 2: 90.0}
    assert second.trial(2).user_attrs["copy_of"] == 1


def test_a_copy_that_was_cut_off_and_is_trained_after_all_is_no_copy(
    open_desk: Desks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal takes its attributes before it is finished; then the pruner is switched off."""
    twins = Twins(open_desk, open_storage(f"{tmp_path}/j.log"))
    assert not twins.desk.report(twins.first, 10.0, 10.0)
    monkeypatch.setattr(twins.desk.study, "tell", kill)
    with pytest.raises(KeyboardInterrupt):
        twins.desk.runner.ask()
    twins.desk.lease.__exit__()

    second = open_desk(open_storage(f"{tmp_path}/j.log"), pruner=optuna.pruners.NopPruner())
    task = second.next_task()
    assert (task.number, task.reported) == (2, 2)
    second.report(task, 90.0, 95.0, first=3)
    second.runner.finish(2, Completed({}))
    spent = spending(second.study.get_trials(), {"epochs": 4})
    assert (spent.copied, spent.epochs_trained) == (0, 4 + 2 + 4)


def kill(*arguments: Any) -> None:
    raise KeyboardInterrupt


# -- failed trials -----------------------------------------------------------------------------


def notes(desk: Desk) -> list[str]:
    return [event.text for event in desk.events if isinstance(event, Note)]


def fail(desk: Desk, *numbers: int) -> None:
    for number in numbers:
        assert desk.next_task().number == number
        desk.runner.finish(number, Failed(f"KeyError: {chr(97 + number)}"))


def test_failed_trials_are_tried_again_with_their_parameters(
    open_desk: Desks, storage: Any
) -> None:
    desk = open_desk(storage, n_trials=3)
    fail(desk, 0, 1)
    desk.report(desk.next_task(), 50.0)
    desk.runner.finish(2, Completed({}))
    assert desk.runner.is_met()
    desk.runner.retry_failed()
    assert notes(desk) == ["tried again as new trials: 0, 1"]
    assert not desk.runner.is_met()
    for number, of in ((3, 0), (4, 1)):
        task = desk.next_task()
        assert task.number == number
        assert desk.trial(number).params == desk.trial(of).params
        assert desk.trial(number).user_attrs["retry_of"] == of
        desk.report(task, 50.0)
        desk.runner.finish(number, Completed({}))
    assert desk.runner.is_met()
    assert desk.runner.ask() is None
    desk.runner.retry_failed()
    assert notes(desk)[-1] == "no failed trial is left to try again"


def test_a_retry_that_fails_can_be_tried_again_once_more(open_desk: Desks) -> None:
    desk = open_desk(n_trials=1)
    fail(desk, 0)
    for number in (1, 2):
        desk.runner.retry_failed()
        desk.runner.retry_failed()  # asked twice, tried once
        fail(desk, number)
    assert desk.runner.is_met()
    assert desk.states == ["FAIL"] * 3


def test_values_outside_the_space_are_not_tried_again(open_desk: Desks) -> None:
    desk = open_desk(n_trials=2)
    desk.next_task()
    desk.study.enqueue_trial({"lr": 5.0})
    assert desk.runner.ask() is None
    desk.runner.retry_failed()
    assert notes(desk) == ["no failed trial is left to try again"]


def test_a_row_of_a_grid_that_failed_is_tried_again_once(open_desk: Desks, make_space: Any) -> None:
    space = make_space(parameters=(Categorical("depth", (10, 16, 22)),), baseline={"depth": 16})
    desk = open_desk(space=space, n_trials=3, sampler="grid")
    desk.report(desk.next_task(), 50.0)
    desk.runner.finish(0, Completed({}))
    fail(desk, 1)
    desk.report(desk.next_task(), 50.0)
    desk.runner.finish(2, Completed({}))
    assert desk.runner.is_met()
    desk.runner.retry_failed()
    assert not desk.runner.is_met()
    desk.report(desk.next_task(), 50.0)
    desk.runner.finish(3, Completed({}))
    assert desk.runner.is_met()
    assert desk.runner.ask() is None
    assert desk.trial(3).params == desk.trial(1).params
