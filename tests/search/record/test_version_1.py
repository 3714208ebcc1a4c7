"""A study of the first release, found with a trial that a dead driver left, is gone on with.

Made by ``python -m search.run --space lenet_epochs --preset quick --n-trials 5 --epochs 8
--concurrency 1 --threads 1 --precision float32`` and killed in trial 3: 5 epochs are on record,
the checkpoint is of the 6th.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState

from search.record.record import RECORD, read_record

FIXTURE = Path(__file__).with_name("version_1")
NAME = "lenet_epochs-quick"
FLAGS = ("--space", "lenet_epochs", "--preset", "quick", "--n-trials", "5", "--epochs", "8")
COMPUTED = ("--concurrency", "1", "--threads", "1", "--precision", "float32")


def study_in(folder: Path) -> Study:
    return optuna.load_study(study_name=NAME, storage=f"sqlite:///{folder / 'studies.db'}")


@pytest.fixture(scope="module")
def old() -> Study:
    return study_in(FIXTURE)


@pytest.fixture(scope="module")
def continued(
    tmp_path_factory: pytest.TempPathFactory, in_process: Callable[..., Study]
) -> tuple[Study, Path]:
    folder = tmp_path_factory.mktemp("version_1") / "results"
    shutil.copytree(FIXTURE, folder)
    gone = str(folder.with_name("gone"))  # where it was made: the study was moved
    study_in(folder).set_user_attr("folder", gone)
    places = ("--results-dir", str(folder), "--data-dir", str(folder.with_name("data")))
    return in_process(*FLAGS, *COMPUTED, *places), folder


def test_its_record_is_read_as_what_it_would_be_today(old: Study) -> None:
    record = read_record(old)
    assert record is not None
    assert (record.space.name, record.space.preset) == ("lenet_epochs", "quick")
    assert record.space.recipe["epochs"] == 8
    assert record.space.baseline == {"lr": 0.001, "batch_size": 16}
    assert record.objectives == ("val_top1",)
    assert (record.strategy.sampler, record.strategy.n_trials) == ("tpe", 5)
    assert (record.execution.threads, record.execution.precision) == (1, "float32")
    assert (record.lr_range, record.folder_token) == (None, "")


@pytest.mark.slow
def test_it_goes_on_under_its_own_numbers_and_ends(
    old: Study, continued: tuple[Study, Path]
) -> None:
    before, after = old.get_trials(), continued[0].get_trials()
    assert [trial.number for trial in after] == [0, 1, 2, 3, 4]
    assert all(trial.state.is_finished() for trial in after)
    assert [trial.state for trial in before] == [trial.state for trial in after[:3]] + [
        TrialState.RUNNING
    ]
    assert after[:3] == before[:3]  # parameters, values, curves, attributes, times


@pytest.mark.slow
def test_the_unfinished_trial_goes_on_from_its_checkpoint(
    old: Study, continued: tuple[Study, Path]
) -> None:
    study, folder = continued
    before, after = old.get_trials()[3], study.get_trials()[3]
    assert after.params == before.params
    curve = list(after.intermediate_values.items())
    assert curve[:5] == list(before.intermediate_values.items())
    assert [epoch for epoch, _ in curve] == list(range(1, len(curve) + 1))
    history = f"{NAME}/trials/00003/history.csv"
    kept = (FIXTURE / history).read_text().splitlines()
    assert (folder / history).read_text().splitlines()[: len(kept)] == kept  # the 6th epoch too


@pytest.mark.slow
def test_from_then_on_its_record_is_todays(old: Study, continued: tuple[Study, Path]) -> None:
    study, folder = continued
    then, now = read_record(old), read_record(study)
    assert then is not None
    assert now is not None
    assert RECORD not in old.user_attrs
    assert study.user_attrs[RECORD]["version"] == 2
    assert now.folder == str(folder / NAME)
    assert now.space.recipe == then.space.recipe
    assert (now.data, now.execution, now.strategy) == (then.data, then.execution, then.strategy)
    assert study.user_attrs["identity"] == old.user_attrs["identity"]
