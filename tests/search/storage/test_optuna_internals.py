"""What is relied on of Optuna's insides and of its dashboard's, name by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import GPSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import inspect as inspect_tables
from sqlalchemy import select

from search.storage import optuna_internals
from search.storage.database import StudyDatabase
from search.storage.optuna_internals import (
    OBJECTIVE_NAMES,
    TRIALS,
    behind_cache,
    enqueued_params,
    forget_report,
    renew_cache,
    reported_values,
    set_study_attribute,
    storage_of,
    study_attributes,
    suggest,
    trial_attribute,
    trial_id,
    with_trials,
)

LR = FloatDistribution(0.0, 1.0)


@pytest.fixture
def database(tmp_path: Path) -> StudyDatabase:
    return StudyDatabase(f"sqlite:///{tmp_path / 'studies.db'}")


@pytest.fixture
def study(database: StudyDatabase) -> optuna.Study:
    return optuna.create_study(study_name="study", storage=database)


def test_study_storage(study: optuna.Study) -> None:
    assert storage_of(study).get_study_id_from_name("study") == 1
    assert Trial(study, trial_id(study.ask())).storage is storage_of(study)


def test_study_id_and_its_system_attributes(study: optuna.Study) -> None:
    set_study_attribute(study, "key", [1])
    assert study_attributes(study) == {"key": [1]}
    assert storage_of(study).get_study_system_attrs(1) == {"key": [1]}


def test_trial_id_of_both_kinds(study: optuna.Study) -> None:
    other = optuna.create_study(study_name="other", storage=storage_of(study))
    other.ask()
    trial = study.ask()
    assert trial.number == 0
    assert trial_id(trial) == trial_id(study.get_trials()[0]) == 2


def test_reported_values_are_the_storages(study: optuna.Study) -> None:
    trial = study.ask()
    again = Trial(study, trial_id(trial))
    trial.report(1.5, 3)
    assert reported_values(again) == {3: 1.5}


def test_an_attribute_is_the_one_that_the_storage_has_now(study: optuna.Study) -> None:
    trial = study.ask()
    again = Trial(study, trial_id(trial))
    again.set_user_attr("driver", "other")
    assert trial_attribute(trial, "driver") == "other"
    assert trial_attribute(trial, "colour") is None
    optuna.delete_study(study_name="study", storage=storage_of(study))
    with pytest.raises(KeyError):
        trial_attribute(trial, "driver")


def test_cached_frozen_trial_remembers_reports(study: optuna.Study) -> None:
    trial = study.ask()
    trial.report(1.0, 1)
    with pytest.warns(UserWarning, match="already reported"):
        trial.report(2.0, 1)
    forget_report(trial, 1)
    forget_report(trial, 7)
    trial.report(3.0, 1)
    assert reported_values(trial) == {1: 3.0}


def test_suggest_takes_any_distribution(study: optuna.Study) -> None:
    trial = study.ask()
    value = suggest(trial, "lr", LR)
    assert trial.params == {"lr": value}
    assert trial.distributions == {"lr": LR}


def test_fixed_params_of_enqueued_trials(study: optuna.Study) -> None:
    study.enqueue_trial({"lr": 0.25})
    assert enqueued_params(study.get_trials()[0]) == {"lr": 0.25}
    trial = study.ask()
    assert enqueued_params(trial) == {"lr": 0.25}
    assert suggest(trial, "lr", LR) == 0.25
    assert enqueued_params(study.ask()) == {}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("make", [TPESampler, GPSampler], ids=["tpe", "gp"])
def test_samplers_read_trials_by_get_trials(study: optuna.Study, make: Any) -> None:
    """A sampler that sees no trial draws as if there were none."""
    for i in range(12):
        study.add_trial(
            optuna.trial.create_trial(params={"lr": i / 20}, distributions={"lr": LR}, value=i)
        )
    new = study.ask()
    frozen = study.get_trials()[-1]

    def draw(seen: list[FrozenTrial]) -> Any:
        seed = {"seed": 0} | ({"n_startup_trials": 10} if make is TPESampler else {})
        view = with_trials(study, seen)
        return make(**seed).sample_relative(view, frozen, {"lr": LR})

    assert new.number == 12
    assert draw(study.get_trials()) != draw([])


def test_view_is_the_study_otherwise(study: optuna.Study) -> None:
    kept = [study.ask() and study.get_trials()[0]]
    view = with_trials(study, kept)
    assert view.study_name == "study"
    assert view._get_trials(states=(TrialState.RUNNING,)) == kept
    assert view._get_trials(states=(TrialState.FAIL,)) == []
    theirs = set(inspect.signature(optuna.Study._get_trials).parameters)
    assert set(inspect.signature(type(view)._get_trials).parameters) == theirs


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("TRIALS", "trial_id study_id state"),
        ("USER_ATTRIBUTES", "trial_id key value_json"),
    ],
)
def test_tables(database: StudyDatabase, table: str, columns: str) -> None:
    model = getattr(optuna_internals, table)
    there = {column["name"] for column in inspect_tables(database.engine).get_columns(model.name)}
    assert set(columns.split()) <= there
    assert set(columns.split()) <= set(model.c.keys())


def test_scoped_session(database: StudyDatabase, study: optuna.Study) -> None:
    study.ask()
    with database.session() as session:
        assert session.execute(select(TRIALS.c.number)).scalars().all() == [0]


def test_a_study_that_is_gone_is_a_key_error(database: StudyDatabase) -> None:
    with pytest.raises(KeyError):
        database.get_all_trials(7)


def test_get_trials_of_the_relational_storage_is_asked_as_ours() -> None:
    theirs = inspect.signature(RDBStorage._get_trials).parameters
    assert list(inspect.signature(StudyDatabase._get_trials).parameters) == list(theirs)


def test_backend_lies_behind_a_cache(database: StudyDatabase, study: optuna.Study) -> None:
    assert storage_of(study) is not database
    assert behind_cache(storage_of(study)) is database
    assert behind_cache(optuna.storages.InMemoryStorage()) is None


def test_a_renewed_cache_has_forgotten(database: StudyDatabase, study: optuna.Study) -> None:
    study.tell(study.ask(), 1.0)
    assert len(study.get_trials()) == 1
    with database.engine.begin() as connection:
        connection.execute(TRIALS.update().values(number=5))
    assert [trial.number for trial in study.get_trials()] == [0]
    renew_cache(storage_of(study))
    assert [trial.number for trial in study.get_trials()] == [5]
    assert behind_cache(storage_of(study)) is database


# -- the dashboard -----------------------------------------------------------------------------


def test_objective_names_of_the_dashboard() -> None:
    from optuna_dashboard import _named_objectives

    assert _named_objectives.SYSTEM_ATTR_NAME == OBJECTIVE_NAMES
