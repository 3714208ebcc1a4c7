"""A runner whose trials pause and resume: each finished once, known before a worker begins."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.record.trials import by_pruner, is_paused, spending
from search.storage.storage import open_storage
from search.strategy.history import recent_trials
from search.study.decisions import Decisions
from search.study.events import Ended, Paused, Promoted, Started
from search.study.finish import Finisher
from search.study.messages import Completed, Diverged, Failed, OutOfMemory
from search.study.trial_runner import Conditions
from tests.search.desk import run, train
from trainers.metrics import METRICS

POINT = {"lr": 0.5, "depth": 16, "optimizer": "sgd", "residual": True}


def test_a_trial_pauses_at_the_first_rung_and_its_worker_takes_another(promote: Any) -> None:
    desk = promote()
    assert desk.report(desk.next_task(), 1.0, 0.5, 0.2, 0.1)  # the baseline goes through
    task = desk.next_task()
    assert desk.trial(1).user_attrs["target"] == 1
    assert not desk.report(task, 30.0)
    paused = desk.trial(1)
    assert (paused.state, is_paused(paused)) == (TrialState.RUNNING, True)
    assert paused.user_attrs["cpu_seconds"] == 1.0
    assert not desk.report(task, 31.0, first=2)
    assert desk.trial(1).intermediate_values == {1: 30.0}
    assert desk.next_task().number == 2
    assert [e for e in desk.events if isinstance(e, Paused)] == [Paused(1, 1, 4)]


def test_a_search_ends_with_the_best_that_is_known_trained_to_the_end(
    promote: Any, storage: Any
) -> None:
    """The share at the prior agreement is 3 ** -0.5 = 0.577. Of 4 trials at epoch 1, the baseline
    among them, half of it is one: trial 2 is sure. Of all 5 two are promoted, one to the end."""
    desk = promote(storage, n_trials=5)
    assert run(desk, [0.0, 10.0, 40.0, 20.0, 30.0]) == [0, 1, 2, 3, 2, 4, 2]
    assert desk.runner.is_met()
    states = ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "PRUNED"]
    assert desk.states == states
    reasons = [desk.trial(n).user_attrs["reason"] for n in (1, 3, 4)]
    assert reasons == [
        "pruned at epoch 1 of 4 (not promoted)",
        "pruned at epoch 1 of 4 (not promoted)",
        "pruned at epoch 3 of 4 (not promoted)",
    ]
    trials = desk.study.get_trials()
    assert [trial.number for trial in trials if by_pruner(trial)] == [1, 3, 4]
    spent = spending(trials, {"epochs": 4})
    assert (spent.epochs_trained, spent.epochs_saved) == (4 + 1 + 4 + 1 + 3, 3 + 3 + 1)
    finished = [event.number for event in desk.events if isinstance(event, Ended)]
    assert sorted(finished) == [0, 1, 2, 3, 4]
    promoted = [event for event in desk.events if isinstance(event, Promoted)]
    assert promoted == [Promoted(2, 1, 3), Promoted(2, 3, 4)]
    assert desk.runner.ask() is None
    assert desk.states == states


def test_a_trial_that_is_the_next_anyway_keeps_its_worker(promote: Any) -> None:
    """The best of four, the baseline among them, is sure to be promoted."""
    desk = promote(n_trials=9)
    train(desk, desk.next_task(), 0.0)
    for value in (20.0, 10.0):
        assert not desk.report(desk.next_task(), value)
    task = desk.next_task()
    assert desk.report(task, 40.0)
    assert desk.trial(3).user_attrs["target"] == 3
    assert not is_paused(desk.trial(3))
    assert desk.report(task, 41.0, first=2)


def test_what_the_runner_remembers_makes_no_difference(promote: Any, storage: Any) -> None:
    """Before each step its rule decides as one does that has seen nothing before."""
    desk = promote(storage=storage, n_trials=8)
    values = [random.Random(n).random() for n in range(8)]
    study, plan = desk.study, desk.runner.plan
    may_start = iter(itertools.cycle((0, 0, 4, 4)))
    remembering = Decisions(study, plan, lambda trials: next(may_start))
    steps = 0
    while True:
        trials = study.get_trials(deepcopy=False)
        for _ in range(2):
            fresh = Decisions(study, plan, lambda trials: next(may_start))
            assert remembering.next_step(trials) == fresh.next_step(trials)
        if (task := desk.runner.ask()) is None:
            break
        steps += 1
        train(desk, task, values[task.number])
    assert steps > 8


def test_lower_is_better_where_the_objective_says_so(promote: Any, make_space: Any) -> None:
    desk = promote(space=make_space({"objective": "val_loss"}), n_trials=5, direction="minimize")
    losses = [9.0, 4.0, 1.0, 3.0, 2.0]
    while task := desk.runner.ask():
        for epoch in range(task.reported + 1, 5):
            result = {"epoch": epoch, "val_loss": losses[task.number] / epoch}
            if not desk.runner.report(task.number, type_of(result)):
                break
        else:
            desk.runner.finish(task.number, Completed({}))
    assert [n for n, state in enumerate(desk.states) if state == "COMPLETE"] == [0, 2]


def type_of(result: dict[str, Any]) -> Any:
    from search.study.messages import EpochDone

    return EpochDone(result)


def test_two_drivers_never_take_the_same_paused_trial(promote: Any, storage: Any) -> None:
    """Of 4 trials the best is sure; when the fifth has come, the next has a place too."""
    first, second = (promote(storage, n_trials=5) for _ in range(2))
    for value in (0.0, 10.0, 20.0, 15.0):
        train(first, first.next_task(), value)
    assert first.next_task().number == 2
    train(second, second.next_task(), 1.0)
    assert second.next_task().number == 3
    owners = [first.trial(n).user_attrs["driver"] for n in (2, 3)]
    assert owners == [first.lease.driver, second.lease.driver]
    assert first.runner.ask() is None  # what comes next hangs on these two
    assert second.runner.ask() is None
    assert not first.runner.is_met()


def test_a_paused_trial_is_nobodys_orphan(promote: Any, storage: Any) -> None:
    first = promote(storage, n_trials=3)
    train(first, first.next_task(), 0.0)
    train(first, first.next_task(), 10.0)
    first.lease.__exit__()
    second = promote(storage, n_trials=3)
    assert second.next_task().number == 2


def test_what_a_dead_driver_left_goes_on_to_its_target(promote: Any, storage: Any) -> None:
    first = promote(storage, n_trials=5)
    for value in (0.0, 10.0, 20.0, 15.0):
        train(first, first.next_task(), value)
    task = first.next_task()
    assert (task.number, task.reported) == (2, 1)
    assert first.report(task, 22.0, first=2)
    first.lease.__exit__()
    second = promote(storage, n_trials=5)
    again = second.next_task()
    assert (again.number, again.reported) == (2, 2)
    assert second.trial(2).user_attrs["target"] == 3


def test_a_decision_that_a_crash_cut_off_is_made_when_the_trial_is_taken_up(
    promote: Any, tmp_path: Any
) -> None:
    """In a journal a report and what follows from it are two writes."""
    storage = open_storage(f"{tmp_path}/j.log")
    first = promote(storage, n_trials=3)
    train(first, first.next_task(), 0.0)
    first.next_task()
    first.runner.live[1].trial.report(10.0, 1)  # and the process was gone
    first.lease.__exit__()
    second = promote(storage, n_trials=3)
    assert second.next_task().number == 2
    assert is_paused(second.trial(1))


def test_an_interrupted_telling_of_the_paused_is_gone_on_with(promote: Any, storage: Any) -> None:
    """Killed after the first of three."""
    desk = promote(storage, n_trials=5)
    values = [0.0, 10.0, 40.0, 20.0, 30.0]
    while desk.states.count("COMPLETE") < 2:
        task = desk.next_task()
        train(desk, task, values[task.number])
    silent: list[Any] = []
    finisher = Finisher(desk.study, METRICS["val_top1"], desk.folder, silent.append)
    finisher.left_paused(desk.trial(1), 4)
    assert not desk.runner.is_met()
    assert desk.runner.ask() is None
    assert desk.runner.is_met()
    assert desk.states == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "PRUNED"]


def test_the_sampler_sees_what_is_paused_as_pruned_with_its_values(promote: Any) -> None:
    desk = promote()
    desk.next_task()
    desk.report(desk.next_task(), 30.0)
    desk.next_task()
    seen = recent_trials(desk.study)
    assert [trial.state.name for trial in seen] == ["RUNNING", "PRUNED", "RUNNING"]
    assert seen[1].intermediate_values == {1: 30.0}
    assert desk.states == ["RUNNING"] * 3  # the study's own are as they were


def test_the_same_configuration_as_a_paused_trial_is_answered_from_it(
    promote: Any, storage: Any
) -> None:
    desk = promote(storage, n_trials=3)
    train(desk, desk.next_task(), 0.0)
    for _ in range(2):
        desk.study.enqueue_trial(POINT)
    train(desk, desk.next_task(), 10.0)
    assert desk.next_task().number == 1  # the copy cost nothing; the original continues
    copy = desk.trial(2)
    assert (copy.state, copy.intermediate_values) == (TrialState.PRUNED, {1: 11.0})
    assert copy.user_attrs["reason"] == "copy of trial 1: pruned at epoch 1"
    assert (copy.user_attrs["copy_of"], by_pruner(copy)) == (1, True)


@pytest.mark.parametrize(
    "ending", [Failed("ValueError: no"), OutOfMemory("host"), Diverged("diverged in epoch 1", 1)]
)
def test_trials_that_end_otherwise_take_no_place(promote: Any, ending: Any) -> None:
    desk = promote(n_trials=3)
    train(desk, desk.next_task(), 0.0)
    desk.runner.finish(desk.next_task().number, ending)
    run(desk, [0.0, 0.0, 10.0])
    assert desk.runner.is_met()
    assert desk.trial(2).state == TrialState.COMPLETE


def test_a_study_of_the_baseline_alone_is_met_when_it_completes(promote: Any) -> None:
    desk = promote(n_trials=1)
    run(desk, [0.0])
    assert desk.runner.is_met()


def test_an_epoch_budget_is_kept_and_used_for_the_best(promote: Any, storage: Any) -> None:
    desk = promote(storage, n_trials=20, epoch_budget=20)
    values = [float(n * 7 % 20) for n in range(20)]
    run(desk, values)
    assert desk.runner.is_met()
    trials = desk.study.get_trials()
    trained = sum(len(trial.intermediate_values) for trial in trials)
    assert 16 <= trained <= 20
    done = [t.number for t in trials if t.number and t.state == TrialState.COMPLETE]
    assert max(values[1 : len(trials)]) == max(values[n] for n in done)
    more = promote(storage, n_trials=20, epoch_budget=32)
    assert not more.runner.is_met()
    run(more, values)
    trained = sum(len(trial.intermediate_values) for trial in more.study.get_trials())
    assert 28 <= trained <= 32


def test_time_that_is_left_is_planned_for(promote: Any, storage: Any) -> None:
    """Nothing fits into no time, yet the study is not over: more time may be given."""
    desk = promote(storage, n_trials=9)
    train(desk, desk.next_task(), 0.0)
    task = desk.next_task()
    desk.runner.report(task.number, costing(1, 10.0, seconds=2.0))
    desk.runner.train_under(Conditions(seconds_left=lambda: 6.5))
    assert desk.runner.ask().number == 1  # 3 epochs of 2 s fit, a whole training does not
    desk.runner.report(1, costing(2, 11.0, seconds=2.0))
    desk.runner.report(1, costing(3, 12.0, seconds=2.0))
    desk.runner.train_under(Conditions(seconds_left=lambda: 1.0))
    if 1 not in desk.runner.live:
        assert desk.runner.ask() is None
        assert desk.runner.out_of_time
    assert not desk.runner.is_met()


def costing(epoch: int, value: float, seconds: float) -> Any:
    from search.study.messages import EpochDone

    return EpochDone({"epoch": epoch, "val_top1": value}, {"seconds_per_epoch": seconds})


def test_a_trial_without_a_number_as_value_ends_and_never_pauses(promote: Any) -> None:
    desk = promote(n_trials=2)
    train(desk, desk.next_task(), 0.0)
    assert not desk.report(desk.next_task(), math.nan)
    assert desk.trial(1).state == TrialState.PRUNED
    assert desk.trial(1).user_attrs["reason"].startswith("diverged in epoch 1")


def test_what_paused_under_promotion_goes_on_under_another_pruner(
    promote: Any, storage: Any
) -> None:
    first = promote(storage, n_trials=3)
    train(first, first.next_task(), 0.0)
    assert not train(first, first.next_task(), 10.0)
    first.lease.__exit__()
    other = promote(storage, n_trials=2, pruner=optuna.pruners.NopPruner())
    assert run(other, [0.0, 10.0]) == [1]
    assert other.states == ["COMPLETE", "COMPLETE"]
    assert [e.number for e in other.events if isinstance(e, Started)] == [1]
