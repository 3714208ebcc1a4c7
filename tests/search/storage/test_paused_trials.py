"""Paused trials: read once, and again as soon as anyone resumes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import event

from search.storage.database import StudyDatabase, database_of, one_commit
from search.storage.optuna_internals import storage_of, trial_id
from search.storage.paused_trials import PausedTrials


def is_paused(trial: FrozenTrial) -> bool:
    return "paused" in trial.user_attrs and not trial.state.is_finished()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


@pytest.fixture
def study(url: str) -> optuna.Study:
    """Trials 0 and 2 are paused, 1 is not, 3 completed."""
    storage = StudyDatabase(url)
    storage.keep_paused(PausedTrials(is_paused, "target"))
    study = optuna.create_study(study_name="study", storage=storage)
    for number in range(4):
        trial = study.ask()
        trial.report(0.5, 1)
        trial.set_user_attr("target", 1)
        if number in (0, 2):
            trial.set_user_attr("paused", True)
    study.tell(3, 1.0)
    assert [t.number for t in study.get_trials(deepcopy=False) if is_paused(t)] == [0, 2]
    return study


def other(study: optuna.Study, url: str, number: int) -> Trial:
    """The trial in the hands of another program."""
    theirs = optuna.load_study(study_name="study", storage=RDBStorage(url))
    return Trial(theirs, trial_id(study.get_trials(deepcopy=False)[number]))


def test_what_is_paused_is_the_same_object_and_costs_no_rows(study: optuna.Study) -> None:
    before = study.get_trials(deepcopy=False)
    rows: list[str] = []
    database = database_of(storage_of(study))
    assert database is not None

    def note(connection, cursor, statement, parameters, *rest) -> None:  # type: ignore[no-untyped-def]
        if "FROM trial_intermediate_values" in statement:
            rows.append(repr(parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    after = study.get_trials(deepcopy=False)
    assert after == before
    assert [a is b for a, b in zip(after, before, strict=True)] == [True, False, True, True]
    assert rows == [repr((trial_id(before[1]),))]


CHANGES: dict[str, Callable[[Trial], object]] = {
    "continues": lambda trial: trial.set_user_attr("target", 3),
    "is finished": lambda trial: trial.study.tell(trial, state=TrialState.PRUNED),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_another_program_does_is_seen(study: optuna.Study, url: str, change: str) -> None:
    theirs = other(study, url, 2)
    theirs.report(0.7, 2)
    CHANGES[change](theirs)
    assert study.trials == optuna.load_study(study_name="study", storage=RDBStorage(url)).trials
    assert study.trials[2].intermediate_values == {1: 0.5, 2: 0.7}


def test_what_is_done_here_is_seen(study: optuna.Study, url: str) -> None:
    trial = Trial(study, trial_id(study.trials[0]))
    trial.set_user_attr("target", 9)
    trial.report(0.9, 9)
    study.enqueue_trial({})
    study.tell(study.trials[2].number, state=TrialState.FAIL)
    assert study.trials == optuna.load_study(study_name="study", storage=RDBStorage(url)).trials
    assert study.trials[0].last_step == 9


def test_a_pause_that_was_not_committed_is_forgotten(study: optuna.Study, url: str) -> None:
    trial = Trial(study, trial_id(study.trials[1]))

    def pause_and_fail() -> None:
        with one_commit(storage_of(study)):
            trial.set_user_attr("paused", True)
            assert is_paused(study.get_trials(deepcopy=False)[1])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pause_and_fail()
    assert not is_paused(study.get_trials(deepcopy=False)[1])


def test_each_study_of_a_storage_has_its_own(study: optuna.Study, url: str) -> None:
    second = optuna.create_study(study_name="second", storage=storage_of(study))
    paused = second.ask()
    paused.set_user_attr("target", 1)
    paused.set_user_attr("paused", True)
    for _ in range(2):
        assert [trial.number for trial in second.get_trials(deepcopy=False)] == [0]
        assert [trial.number for trial in study.get_trials(deepcopy=False)] == [0, 1, 2, 3]
