"""The runner against a study in memory or in SQLite, without Ray."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.storage.storage import open_storage, write_often
from search.strategy.halving import HalvingPruner
from search.study.events import Ended, Epoch, Note, Resumed, Started
from search.study.messages import Completed, Diverged, Ending, EpochDone, Failed, OutOfMemory
from search.study.trial_runner import Conditions
from spaces.params import SpaceError
from spaces.space import Constraint
from tests.search.desk import Desk, Desks
from trainers.config import TrainConfig

ENDINGS: list[tuple[Ending, str]] = [
    (Completed({"test_top1": 50.0}), "COMPLETE"),
    (Diverged("diverged in epoch 2: training loss is nan", 2), "PRUNED"),
    (OutOfMemory("host memory"), "PRUNED"),
    (Failed("ValueError: no", "Traceback …"), "FAIL"),
]


class AlwaysPrune(optuna.pruners.BasePruner):
    """Ends every trial that it is asked about."""

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        return True


class CrashError(Exception):
    pass


class CrashingPruner(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        raise CrashError


def test_the_first_task_is_the_baseline(open_desk: Desks, make_space: Any) -> None:
    task = open_desk().next_task()
    baseline = TrainConfig.from_mapping(make_space().baseline)
    assert task.number == 0
    assert TrainConfig.from_mapping(task.config) == baseline
    assert task.reported == 0


def test_a_trials_folder_carries_its_number(open_desk: Desks) -> None:
    desk = open_desk()
    desk.next_task()
    assert Path(desk.next_task().folder) == desk.folder.path / "trials" / "00001"


def test_the_value_of_a_completed_trial_is_its_best_epoch(open_desk: Desks) -> None:
    desk = open_desk()
    task = desk.next_task()
    assert desk.report(task, 40.0, 70.0, 60.0, 70.0)
    desk.runner.finish(0, Completed({"test_top1": 66.0}))
    trial = desk.trial(0)
    assert trial.state == TrialState.COMPLETE
    assert trial.value == 70.0
    assert trial.intermediate_values == {1: 40.0, 2: 70.0, 3: 60.0, 4: 70.0}
    assert trial.user_attrs["best_epoch"] == 2
    assert trial.user_attrs["test_top1"] == 66.0


@pytest.fixture
def by_loss(open_desk: Desks, make_space: Any) -> Any:
    """A desk whose trials are judged by their validation loss."""
    space = make_space({"objective": "val_loss"})
    return open_desk(space=space, n_trials=9, direction="minimize")


def losses(desk: Desk, task: Any, *values: float) -> bool:
    """The answer to the last of a trial's epochs; its accuracy says the opposite."""
    goes_on = True
    for epoch, value in enumerate(values, 1):
        result = {"epoch": epoch, "val_loss": value, "val_top1": 100 * value}
        goes_on = desk.runner.report(task.number, EpochDone(result))
    return goes_on


def test_the_best_epoch_of_an_objective_that_is_minimised_is_the_lowest(by_loss: Any) -> None:
    assert losses(by_loss, by_loss.next_task(), 0.9, 0.2, 0.5, 0.2)
    by_loss.runner.finish(0, Completed({}))
    trial = by_loss.trial(0)
    assert (trial.value, trial.user_attrs["best_epoch"]) == (0.2, 2)
    assert trial.intermediate_values == {1: 0.9, 2: 0.2, 3: 0.5, 4: 0.2}
    assert {e.metric.name for e in by_loss.events if isinstance(e, Epoch | Ended)} == {"val_loss"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_objective_that_is_no_number_names_itself_in_the_reason(
    by_loss: Any, value: float
) -> None:
    by_loss.next_task()
    assert not losses(by_loss, by_loss.next_task(), value)
    assert (
        by_loss.trial(1)
        .user_attrs["reason"]
        .startswith(f"diverged in epoch 1: validation loss is {value}")
    )


def test_a_pruned_trial_keeps_its_last_report_and_the_reason(open_desk: Desks) -> None:
    desk = open_desk(pruner=AlwaysPrune())
    desk.next_task()
    task = desk.next_task()
    assert not desk.report(task, 30.0)
    trial = desk.trial(1)
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {1: 30.0}
    assert trial.user_attrs["reason"] == "pruned at epoch 1 of 4"
    assert trial.user_attrs["cpu_seconds"] == 1.0


def test_the_baseline_is_never_pruned(open_desk: Desks) -> None:
    desk = open_desk(pruner=AlwaysPrune())
    assert desk.report(desk.next_task(), 1.0, 0.5, 0.2, 0.1)
    assert desk.trial(0).state == TrialState.RUNNING


def test_the_last_epoch_is_never_pruned(open_desk: Desks, make_space: Any) -> None:
    desk = open_desk(pruner=AlwaysPrune(), space=make_space({"epochs": 1}))
    desk.next_task()
    assert desk.report(desk.next_task(), 1.0)
    desk.runner.finish(1, Completed({}))
    assert desk.trial(1).state == TrialState.COMPLETE


@pytest.mark.parametrize(("ending", "state"), ENDINGS)
def test_an_ending_is_told_once_with_its_reason(open_desk: Desks, ending: Any, state: str) -> None:
    desk = open_desk()
    desk.report(desk.next_task(), 50.0)
    for repeated in (ending, ending, *(other for other, _ in ENDINGS)):
        desk.runner.finish(0, repeated)
    assert desk.trial(0).state.name == state
    assert desk.trial(0).user_attrs["reason"]
    assert [event.state for event in desk.events if isinstance(event, Ended)] == [state]


def test_out_of_memory_teaches_the_sampler_a_constraint(open_desk: Desks) -> None:
    desk = open_desk()
    desk.next_task()
    desk.runner.finish(0, OutOfMemory("CUDA out of memory"))
    trial = desk.trial(0)
    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {"memory": 1.0}
    assert trial.user_attrs["reason"] == "out_of_memory: CUDA out of memory"


def test_a_trial_that_may_be_a_neighbours_victim_is_tried_once_more_alone(open_desk: Desks) -> None:
    desk = open_desk(n_trials=4, pruner=optuna.pruners.NopPruner())
    first, second = desk.next_task(), desk.next_task()
    desk.report(second, 50.0)
    desk.runner.finish(1, OutOfMemory("host memory"))
    assert desk.runner.ask() is None  # the first is still at work
    desk.report(first, 50.0)
    desk.runner.finish(0, Completed({}))
    again = desk.next_task()
    assert (again.number, again.reported) == (1, 1)
    assert desk.runner.ask() is None  # it stays alone
    desk.report(again, 60.0, first=2)
    desk.runner.finish(1, Completed({}))
    assert desk.trial(1).state == TrialState.COMPLETE
    assert [desk.next_task().number, desk.next_task().number] == [2, 3]


def test_a_trial_out_of_memory_alone_too_is_told_so(open_desk: Desks) -> None:
    desk = open_desk(n_trials=4)
    for _ in range(3):
        desk.next_task()
    desk.runner.finish(1, OutOfMemory("host memory"))
    desk.runner.finish(2, OutOfMemory("host memory"))
    assert desk.states[:3] == ["RUNNING"] * 3
    desk.runner.finish(0, Failed("ValueError: no"))
    for number in (1, 2):
        assert desk.next_task().number == number
        assert desk.runner.ask() is None
        desk.runner.finish(number, OutOfMemory("host memory"))
        assert desk.trial(number).constraints == {"memory": 1.0}
    assert desk.next_task().number == 3


def test_a_trial_with_a_gpu_of_its_own_is_nobodys_victim(open_desk: Desks) -> None:
    desk = open_desk()
    desk.next_task(), desk.next_task()
    desk.runner.train_under(Conditions(shares_gpus=False))
    desk.runner.finish(1, OutOfMemory("CUDA out of memory", device=True))
    assert desk.trial(1).state == TrialState.PRUNED
    desk.runner.finish(0, OutOfMemory("CUDA out of memory", device=True))
    assert desk.trial(0).state == TrialState.PRUNED


def test_a_trial_that_had_its_share_of_a_gpu_is_tried_once_more_with_all_of_it(
    open_desk: Desks,
) -> None:
    """Also where no other was at work: it had no more than its share."""
    desk = open_desk(n_trials=3)
    assert not desk.next_task().alone
    desk.runner.finish(0, OutOfMemory("GPU memory: CUDA out of memory", device=True))
    again = desk.next_task()
    assert (again.number, again.alone) == (0, True)
    assert desk.runner.ask() is None
    desk.runner.finish(0, OutOfMemory("GPU memory: CUDA out of memory", device=True))
    assert desk.trial(0).constraints == {"memory": 1.0}
    assert not desk.next_task().alone


def test_a_worker_that_dies_while_its_trial_is_alone_leaves_it_alone(open_desk: Desks) -> None:
    desk = open_desk(n_trials=4)
    desk.next_task(), desk.next_task()
    desk.runner.finish(1, OutOfMemory("host memory"))
    desk.runner.finish(0, Failed("ValueError: no"))
    desk.next_task()
    desk.runner.release(1)
    assert desk.next_task().number == 1
    assert desk.runner.ask() is None


def test_others_run_together_again_once_another_program_ends_what_was_to_run_alone(
    open_desk: Desks,
) -> None:
    desk = open_desk(n_trials=5)
    desk.next_task(), desk.next_task()
    desk.runner.finish(1, OutOfMemory("host memory"))
    desk.study.tell(1, state=TrialState.FAIL)  # while it waits
    assert desk.next_task().number == 2
    desk.runner.finish(2, OutOfMemory("host memory"))
    desk.runner.finish(0, Failed("ValueError: no"))
    assert desk.next_task().number == 2
    desk.study.tell(2, state=TrialState.FAIL)  # while it is alone
    desk.runner.finish(2, Completed({}))
    assert [desk.next_task().number, desk.next_task().number] == [3, 4]


def test_a_failures_traceback_is_kept_in_the_trials_folder(open_desk: Desks) -> None:
    desk = open_desk()
    desk.next_task()
    desk.runner.finish(0, Failed("ValueError: no", "Traceback: line 1"))
    assert desk.folder.failure(0).read_text() == "Traceback: line 1"


def test_a_traceback_that_cannot_be_written_does_not_stop_the_search(open_desk: Desks) -> None:
    desk = open_desk()
    desk.next_task()
    desk.folder.path.joinpath("trials").write_text("a file where a folder should be")
    desk.runner.finish(0, Failed("ValueError: no", "Traceback: line 1"))
    assert desk.trial(0).state == TrialState.FAIL
    assert any(isinstance(event, Note) and event.warning for event in desk.events)


def test_a_trial_ended_by_another_program_is_released(open_desk: Desks) -> None:
    desk = open_desk(pruner=AlwaysPrune())
    first, second = desk.next_task(), desk.next_task()
    for number in (0, 1):
        desk.study.tell(number, state=TrialState.FAIL)
    assert not desk.report(first, 50.0)
    desk.runner.finish(1, Completed({}))
    assert desk.states == ["FAIL", "FAIL"]
    assert not desk.runner.live
    assert desk.next_task().number == second.number + 1


# -- what a user enqueued ----------------------------------------------------------------------


def test_enqueued_values_are_used_and_the_rest_is_sampled(open_desk: Desks) -> None:
    desk = open_desk()
    desk.next_task()
    desk.study.enqueue_trial({"lr": 0.5})
    task = desk.next_task()
    assert task.number == 1
    assert task.config["lr"] == 0.5
    assert set(desk.trial(1).params) == {"lr", "depth", "optimizer", "residual"}


@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        ({"lr": 5.0}, "lr must be in [0.01, 1], got 5.0"),
        ({"lr": "fast"}, "lr must be a number, got 'fast'"),
        ({"depth": 12}, "depth must be in [10, 28] in steps of 6, got 12"),
        ({"optimizer": "adam"}, "optimizer must be one of sgd, sam, got 'adam'"),
        ({"lr": None}, "lr must be a number, got None"),
        ({"color": 3}, "'color' does not vary in this space"),
    ],
)
def test_enqueued_values_outside_the_space_fail_with_the_rule(
    open_desk: Desks, wish: dict[str, Any], rule: str
) -> None:
    desk = open_desk()
    desk.next_task()
    desk.study.enqueue_trial(wish)
    task = desk.next_task()  # the search continues with another
    assert task.number == 2
    assert desk.trial(1).state == TrialState.FAIL
    assert desk.trial(1).user_attrs["reason"] == f"infeasible: {rule}"


def test_an_enqueued_trial_that_breaks_a_constraint_ends_infeasible(
    open_desk: Desks, make_space: Any
) -> None:
    rule = Constraint("sam needs depth of at most 16", shallow_sam)
    desk = open_desk(space=make_space(constraints=(rule,)))
    desk.next_task()
    desk.study.enqueue_trial({"optimizer": "sam", "depth": 28})
    assert desk.next_task().number == 2
    trial = desk.trial(1)
    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {"feasible": 1.0}
    assert trial.user_attrs["reason"] == "infeasible: sam needs depth of at most 16"


def test_a_value_that_the_trainer_refuses_ends_infeasible(
    open_desk: Desks, make_space: Any
) -> None:
    """SAM and Nesterov exclude each other in the trainer's configuration, not in this space."""
    desk = open_desk(space=make_space({"nesterov": True}))
    desk.next_task()
    desk.study.enqueue_trial({"optimizer": "sam"})
    assert desk.next_task().number == 2
    assert desk.trial(1).state == TrialState.PRUNED
    assert "nesterov" in desk.trial(1).user_attrs["reason"]


def test_a_constraint_that_nothing_can_keep_ends_the_search_all_the_same(
    open_desk: Desks, make_space: Any
) -> None:
    rule = Constraint("only the baseline", lambda values: values["lr"] == 0.1)
    desk = open_desk(space=make_space(constraints=(rule,)))
    desk.next_task()
    assert desk.runner.ask() is None
    assert desk.states == ["RUNNING", "PRUNED", "PRUNED"]


def test_a_constraint_that_raises_says_which_and_loses_nothing(
    open_desk: Desks, make_space: Any
) -> None:
    broken = Constraint("a lookup", lambda values: {0.1: True}[values["lr"]])
    desk = open_desk(space=make_space(constraints=(broken,)))
    desk.next_task()
    with pytest.raises(SpaceError, match=r"constraint 'a lookup' cannot be checked.*KeyError"):
        desk.runner.ask()
    assert desk.states == ["RUNNING", "RUNNING"]  # both are resumed when it is mended


def shallow_sam(values: Any) -> bool:
    return values["optimizer"] != "sam" or values["depth"] <= 16


# -- what a driver left behind -----------------------------------------------------------------


@pytest.fixture(params=["memory", "sqlite"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> optuna.storages.BaseStorage:
    if request.param == "memory":
        return optuna.storages.InMemoryStorage()
    return optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/studies.db")


def test_a_left_trial_goes_on_under_its_number_after_its_last_epoch(
    open_desk: Desks, storage: Any
) -> None:
    first = open_desk(storage)
    first.next_task()
    left = first.next_task()
    first.report(left, 50.0, 60.0)
    first.runner.finish(0, Failed("ValueError: no"))
    first.runner.close()
    first.lease.__exit__()

    second = open_desk(storage)
    task = second.next_task()
    assert (task.number, task.reported) == (1, 2)
    assert task.config == left.config
    second.report(task, 60.0, 55.0, 57.0, first=2)
    second.runner.finish(1, Completed({}))
    assert second.trial(1).intermediate_values == {1: 50.0, 2: 60.0, 3: 55.0, 4: 57.0}
    assert second.trial(1).value == 60.0
    taken = [event for event in second.events if isinstance(event, Resumed)]
    started = [event for event in second.events if isinstance(event, Started)]
    assert taken == [Resumed(1, 2)]
    assert (started[0].number, started[0].epoch) == (1, 2)


def test_a_trial_without_parameters_or_owner_is_resumed(open_desk: Desks, storage: Any) -> None:
    """Its driver died between the trial's creation and its first parameter."""
    whole = open_desk(optuna.storages.InMemoryStorage())
    whole.next_task()
    expected = whole.next_task()

    desk = open_desk(storage)
    desk.next_task()
    storage.create_new_trial(storage.get_study_id_from_name("study"))
    task = desk.next_task()
    assert task.number == 1
    assert task.config == expected.config


def test_a_trial_with_half_its_parameters_is_completed(open_desk: Desks, storage: Any) -> None:
    whole = open_desk(optuna.storages.InMemoryStorage())
    whole.next_task()
    expected = whole.next_task()

    desk = open_desk(storage)
    desk.next_task()
    half = desk.study.ask()
    half.suggest_float("lr", 0.01, 1.0, log=True)
    assert desk.next_task().config == expected.config


def test_a_decision_cut_off_by_a_crash_is_made_up_for(open_desk: Desks, storage: Any) -> None:
    first = open_desk(storage, pruner=optuna.pruners.NopPruner())
    first.next_task()
    first.report(first.next_task(), 50.0)
    first.runner.finish(0, Failed("ValueError: no"))
    first.lease.__exit__()

    second = open_desk(storage, pruner=AlwaysPrune())
    assert second.next_task().number == 2
    assert second.trial(1).state == TrialState.PRUNED
    assert second.trial(1).intermediate_values == {1: 50.0}


def test_a_report_and_the_decision_about_it_are_recorded_together(
    open_desk: Desks, tmp_path: Path
) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/studies.db")
    write_often(storage)
    first = open_desk(storage, pruner=CrashingPruner())
    first.next_task()
    with pytest.raises(CrashError):
        first.report(first.next_task(), 50.0)
    assert first.trial(1).intermediate_values == {}
    first.study.pruner = optuna.pruners.NopPruner()
    assert first.runner.report(1, EpochDone({"epoch": 1, "val_top1": 50.0}))
    first.runner.close()
    first.lease.__exit__()

    second = open_desk(
        storage, pruner=AlwaysPrune()
    )  # it was allowed to continue, whatever came since
    assert [second.next_task().number, second.next_task().number] == [0, 1]
    assert second.trial(1).state == TrialState.RUNNING


@pytest.mark.parametrize("pruner", [optuna.pruners.NopPruner(), HalvingPruner(2, 2)])
def test_a_divergence_cut_off_by_a_crash_is_found_again(
    open_desk: Desks, storage: Any, pruner: optuna.pruners.BasePruner
) -> None:
    first = open_desk(storage, pruner=optuna.pruners.NopPruner())
    first.next_task()
    first.report(first.next_task(), 50.0)
    first.runner.live[1].trial.report(math.nan, 2)
    first.runner.finish(0, Failed("ValueError: no"))
    first.lease.__exit__()

    second = open_desk(storage, pruner=pruner)
    assert second.next_task().reported == 1
    second.runner.finish(1, Diverged("diverged in epoch 2: training loss is nan", 2))
    assert second.trial(1).state == TrialState.PRUNED
    assert second.trial(1).intermediate_values[1] == 50.0
    assert second.trial(1).user_attrs["reason"] == "diverged in epoch 2: training loss is nan"


def test_a_closed_runner_takes_no_news_and_leaves_its_trials_running(open_desk: Desks) -> None:
    desk = open_desk()
    task = desk.next_task()
    desk.report(task, 50.0)
    desk.runner.close()
    assert not desk.report(task, 60.0, first=2)
    desk.runner.finish(0, Completed({}))
    assert desk.runner.ask() is None
    assert desk.states == ["RUNNING"]
    assert desk.trial(0).intermediate_values == {1: 50.0}


def test_a_larger_total_goes_on_and_a_smaller_one_is_met(open_desk: Desks, storage: Any) -> None:
    first = open_desk(storage, n_trials=1)
    first.report(first.next_task(), 50.0)
    first.runner.finish(0, Completed({}))
    assert first.runner.is_met()
    assert not open_desk(storage, n_trials=2).runner.is_met()
    assert open_desk(storage, n_trials=1).runner.is_met()


def test_left_trials_are_resumed_also_beyond_a_smaller_total(
    open_desk: Desks, storage: Any
) -> None:
    first = open_desk(storage, n_trials=3)
    for _ in range(3):
        first.next_task()
    first.lease.__exit__()
    second = open_desk(storage, n_trials=1)
    assert [second.next_task().number for _ in range(3)] == [0, 1, 2]
    assert second.runner.ask() is None
