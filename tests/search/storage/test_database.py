"""The faster storage: several writes are one commit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage
from sqlalchemy import event

from search.storage.database import StudyDatabase, one_commit
from search.storage.optuna_internals import behind_cache, storage_of


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


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
