"""The faster storage against Optuna's own: the same trials, and several writes as one."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy import event

from search.storage.database import StudyDatabase, one_commit
from search.storage.optuna_internals import behind_cache, storage_of, trial_id


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


@pytest.fixture
def study(url: str) -> optuna.Study:
    """Trials of every state, with all that Optuna can record of one."""
    study = optuna.create_study(
        storage=StudyDatabase(url), sampler=optuna.samplers.RandomSampler(seed=0)
    )
    kinds = {
        "a": FloatDistribution(1e-3, 1, log=True),
        "b": IntDistribution(1, 9, step=2),
        "c": CategoricalDistribution(("x", None, 3.5, True)),
    }
    for _ in range(5):
        study.ask(kinds)
    told = [study.ask(kinds) for _ in range(4)]
    for step, value in enumerate((1.5, math.nan, math.inf, -math.inf)):
        told[0].report(value, step)
    told[0].set_user_attr("figures", {"list": [1, 2.5, "ö"], "none": None})
    told[1].set_constraint("memory", 1.0)
    study.tell(told[0], -math.inf)
    study.tell(told[1], state=TrialState.PRUNED)
    study.tell(told[2], state=TrialState.FAIL)
    study.enqueue_trial({"a": 0.5})
    return study


def test_all_trials_are_read_as_optuna_reads_them(study: optuna.Study, url: str) -> None:
    theirs = optuna.load_study(study_name=study.study_name, storage=RDBStorage(url)).trials
    assert repr(study.trials) == repr(theirs)  # in words, since NaN is not equal to itself
    assert study.trials[6:] == theirs[6:]


def test_one_trial_and_some_states_are_read_as_optuna_reads_them(
    study: optuna.Study, url: str
) -> None:
    ours, theirs = StudyDatabase(url), RDBStorage(url)
    for trial in study.trials:
        assert repr(ours.get_trial(trial_id(trial))) == repr(theirs.get_trial(trial_id(trial)))
    states = (TrialState.PRUNED, TrialState.WAITING)
    found = ours.get_all_trials(1, states=states)
    assert found == theirs.get_all_trials(1, states=states)
    assert len(found) == 2


def test_only_new_and_unfinished_trials_are_read_again(study: optuna.Study, url: str) -> None:
    storage = StudyDatabase(url)
    ids = [trial_id(trial) for trial in study.trials]
    found = storage._get_trials(1, None, {ids[1], ids[9]}, ids[7])
    assert [trial_id(trial) for trial in found] == [ids[1], ids[8], ids[9]]


def test_what_is_not_there_is_a_key_error(url: str) -> None:
    storage = StudyDatabase(url)
    with pytest.raises(KeyError):
        storage.get_trial(7)
    with pytest.raises(KeyError):
        storage.get_all_trials(7)


@pytest.fixture
def empty(url: str) -> optuna.Study:
    return optuna.create_study(study_name="empty", storage=StudyDatabase(url))


def test_writes_become_visible_together(empty: optuna.Study, url: str) -> None:
    other = optuna.load_study(study_name="empty", storage=url)
    with one_commit(storage_of(empty)):
        trial = empty.ask()
        trial.set_user_attr("driver", "one")
        assert len(empty.trials) == 1
        assert len(other.trials) == 0
    assert other.trials[0].user_attrs == {"driver": "one"}


def test_an_error_takes_back_all_writes(empty: optuna.Study, url: str) -> None:
    def ask_and_fail() -> None:
        with one_commit(storage_of(empty)):
            empty.ask()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_and_fail()
    other = optuna.load_study(study_name="empty", storage=url)
    assert len(other.trials) == 0
    assert empty.ask().number == 0


def test_together_means_one_commit(empty: optuna.Study) -> None:
    engine = behind_cache(storage_of(empty)).engine
    seen: Counter[str] = Counter()
    event.listen(engine, "commit", lambda connection: seen.update(["commit"]))
    with one_commit(storage_of(empty)):
        trial = empty.ask({"a": FloatDistribution(0, 1)})
        for name in "abc":
            trial.set_user_attr(name, 1)
        empty.tell(trial, 1.0)
    assert seen["commit"] == 1


def test_other_storages_are_left_alone() -> None:
    study = optuna.create_study(storage=InMemoryStorage())
    with one_commit(storage_of(study)):
        study.ask()
    assert len(study.trials) == 1
