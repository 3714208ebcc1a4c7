"""A finished study whose total or budget is raised: what had paused continues, as new trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from search.record.trials import counted, spending
from search.strategy.halving import HalvingPruner
from search.strategy.history import recent_trials
from search.study.events import Ended, Promoted
from search.study.messages import Completed
from tests.search.desk import Desk, news

BUDGET, MORE = 20, 44


@pytest.fixture
def memory() -> Any:
    return optuna.storages.InMemoryStorage()


def value(trial: FrozenTrial) -> float:
    """What its configuration is worth: all that a curve hangs on."""
    return round(100 * trial.params["lr"])


def train_all(desk: Desk) -> list[tuple[int, int]]:
    """Number and epoch of all that was trained, in order; as workers would, with checkpoints."""
    trained = []
    while task := desk.runner.ask():
        folder = Path(task.folder)
        folder.mkdir(parents=True, exist_ok=True)
        for epoch in range(task.reported + 1, int(task.config["epochs"]) + 1):
            (folder / "checkpoint.pt").write_text(f"{task.config['lr']} after {epoch}")
            trained.append((task.number, epoch))
            height = value(desk.trial(task.number)) + epoch
            if not desk.runner.report(task.number, news(epoch, height)):
                break
        else:
            desk.runner.finish(task.number, Completed({}))
    return trained


def continuing(desk: Desk) -> list[FrozenTrial]:
    return [trial for trial in desk.study.get_trials() if "continues" in trial.user_attrs]


def checkpoints(desk: Desk) -> set[int]:
    return {int(file.parent.name) for file in desk.folder.path.glob("trials/*/checkpoint.pt")}


def test_what_had_paused_goes_on_under_a_new_number(promote: Any, storage: Any) -> None:
    first = promote(storage, n_trials=20, epoch_budget=BUDGET)
    train_all(first)
    assert first.runner.is_met()
    before = first.study.get_trials()
    desk = promote(storage, n_trials=20, epoch_budget=MORE)
    assert not desk.runner.is_met()
    trained = train_all(desk)
    assert desk.runner.is_met()
    after = desk.study.get_trials()
    assert [repr(trial) for trial in after[: len(before)]] == [repr(trial) for trial in before]
    assert continuing(desk)
    for trial in continuing(desk):
        ended = before[trial.user_attrs["continues"]]
        assert trial.params == ended.params
        assert ended.intermediate_values.items() <= trial.intermediate_values.items()
        epochs = [epoch for number, epoch in trained if number == trial.number]
        assert epochs == list(range(len(ended.intermediate_values) + 1, max(epochs) + 1))
    ended = [event.number for event in desk.events if isinstance(event, Ended)]
    assert sorted(ended) == list(range(len(before), len(after)))
    lines = [event for event in desk.events if isinstance(event, Promoted) and event.continues]
    assert {line.continues for line in lines} == {
        trial.user_attrs["continues"] for trial in continuing(desk)
    }


def test_each_epoch_counts_once(promote: Any, memory: Any) -> None:
    trained = train_all(promote(memory, n_trials=20, epoch_budget=BUDGET))
    desk = promote(memory, n_trials=20, epoch_budget=MORE)
    trained += train_all(desk)
    trials = desk.study.get_trials()
    assert spending(trials, {"epochs": 4}).epochs_trained == len(trained) <= MORE
    assert len(counted(trials)) == len(trials) - len(continuing(desk)) <= 20
    seen = [tuple(trial.params.values()) for trial in recent_trials(desk.study)]
    assert len(set(seen)) == len(seen) == len(counted(trials))


def test_the_same_budget_again_leaves_a_finished_study_alone(promote: Any, memory: Any) -> None:
    desk = promote(memory, n_trials=20, epoch_budget=BUDGET)
    train_all(desk)
    again = promote(memory, n_trials=20, epoch_budget=BUDGET)
    assert again.runner.is_met()
    assert again.runner.ask() is None
    assert not again.events[1:]


def test_a_raised_total_lets_the_best_go_on_too(promote: Any, memory: Any) -> None:
    """The new ones are all worse, so more of the others belong to the best."""
    train_all(promote(memory, n_trials=8))
    desk = promote(memory, n_trials=24)
    for step in range(16):
        desk.study.enqueue_trial({"lr": 0.01 + step / 10_000})
    train_all(desk)
    assert desk.runner.is_met()
    assert continuing(desk)
    assert len(counted(desk.study.get_trials())) == 24


def test_checkpoints_of_the_best_three_at_each_epoch_stay_and_move(
    promote: Any, memory: Any
) -> None:
    first = promote(memory, n_trials=20, epoch_budget=BUDGET)
    train_all(first)
    left = [trial for trial in first.study.get_trials() if trial.state == TrialState.PRUNED]
    kept = set()
    for epoch in {trial.last_step for trial in left}:
        there = sorted((trial for trial in left if trial.last_step == epoch), key=value)
        kept |= {trial.number for trial in there[-3:]}
    assert 3 < len(kept) < len(left)
    assert checkpoints(first) == kept
    desk = promote(memory, n_trials=20, epoch_budget=MORE)
    task = desk.next_task()
    while "continues" not in desk.trial(task.number).user_attrs:
        desk.report(task, 0.0, first=task.reported + 1)
        task = desk.next_task()
    ended = desk.trial(task.number).user_attrs["continues"]
    assert ended in kept
    text = (Path(task.folder) / "checkpoint.pt").read_text()
    assert text == f"{task.config['lr']} after {task.reported}"
    assert ended not in checkpoints(desk)


@pytest.mark.parametrize(("keep", "all_of_them"), [("all", True), ("none", False)])
def test_all_or_none_keep_their_checkpoints(promote: Any, keep: str, all_of_them: bool) -> None:
    desk = promote(n_trials=20, epoch_budget=BUDGET, keep_weights=keep)
    train_all(desk)
    left = {t.number for t in desk.study.get_trials() if t.state == TrialState.PRUNED}
    assert checkpoints(desk) == (left if all_of_them else set())


def test_a_killed_driver_has_not_lost_the_checkpoint(
    promote: Any, storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had made the new trial and done no more."""
    train_all(promote(storage, n_trials=20, epoch_budget=BUDGET))
    first = promote(storage, n_trials=20, epoch_budget=MORE)

    def die_if_it_continues(self: Any, trial: Any) -> None:
        if "continues" in trial.user_attrs:
            raise InterruptedError

    monkeypatch.setattr("search.study.retention.Retention.take_over", die_if_it_continues)
    with pytest.raises(InterruptedError):
        train_all(first)
    monkeypatch.undo()
    first.lease.__exit__()
    desk = promote(storage, n_trials=20, epoch_budget=MORE)
    (new,) = continuing(desk)
    task = desk.next_task()
    assert (task.number, task.reported) == (new.number, len(new.intermediate_values))
    assert (Path(task.folder) / "checkpoint.pt").exists()
    assert continuing(desk) == [desk.trial(new.number)]


def test_what_another_pruner_cut_goes_on_when_trials_pause(promote: Any, memory: Any) -> None:
    """Its checkpoint is gone, so it is trained again, and reported from where it was."""
    first = promote(memory, n_trials=9, pruner=HalvingPruner(2, 2))
    train_all(first)
    assert not checkpoints(first)
    desk = promote(memory, n_trials=9, epoch_budget=60)
    train_all(desk)
    assert desk.runner.is_met()
    best = max(value(trial) for trial in desk.study.get_trials())
    assert max(value(t) for t in desk.study.get_trials(states=(TrialState.COMPLETE,))) == best
    assert continuing(desk)


def test_one_that_completed_meanwhile_answers(promote: Any, memory: Any) -> None:
    """A notebook has trained the same configuration to its end."""
    first = promote(memory, n_trials=20, epoch_budget=BUDGET)
    train_all(first)
    desk = promote(memory, n_trials=20, epoch_budget=MORE)
    for ended in first.study.get_trials(states=(TrialState.PRUNED,)):
        done = optuna.trial.create_trial(
            params=ended.params,
            distributions=ended.distributions,
            value=99.0,
            intermediate_values=ended.intermediate_values | {4: 99.0},
        )
        desk.study.add_trial(done)
    train_all(desk)
    assert continuing(desk)
    assert {trial.value for trial in continuing(desk)} == {99.0}
