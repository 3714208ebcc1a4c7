"""Studies with every awkward thing in them give a page, or one line that says why not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from search.common.errors import UserError
from search.reporting.export import write
from search.reporting.sections import sections_of
from search.reporting.study_data import read_study
from tests.search.reporting import studies

PRUNED, FAIL, RUNNING = TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING


def _ours(*trials: object) -> Study:
    study = studies.our_study()
    study.add_trials(trials)
    return study


def only_pruned() -> Study:
    return _ours(studies.trial(0, [1.0, 2.0], PRUNED), studies.trial(1, [3.0], PRUNED))


def one_trial() -> Study:
    return _ours(studies.trial(0, [1.0, 2.0, 3.0, 4.0]))


def one_running() -> Study:
    return _ours(studies.trial(0, [1.0], RUNNING))


def one_waiting() -> Study:
    fixed = {"fixed_params": studies.BASELINE}
    return _ours(create_trial(state=TrialState.WAITING, system_attrs=fixed))


def only_failed() -> Study:
    return _ours(studies.trial(0, [], FAIL), studies.trial(1, [5.0], FAIL))


def only_nan() -> Study:
    by_itself = {"ended_by": "diverged"}
    return _ours(
        studies.trial(0, [math.nan], PRUNED, "diverged", recorded=by_itself),
        studies.trial(1, [math.nan] * 2, PRUNED),
    )


def infinite() -> Study:
    return _ours(studies.trial(0, [math.inf, 1.0], PRUNED), studies.trial(1, [1.0, 2.0, 3.0, 4.0]))


def conditional_and_mixed() -> Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        kind = trial.suggest_categorical("kind", ["a", None, 3, True, "<b>=$x$"])
        name = "only_a" if kind == "a" else "other"
        x = trial.suggest_float(name, -1, 10)
        trial.report(x, 0)
        trial.report(x, 10)
        if x > 8:
            raise optuna.TrialPruned
        return x

    study.optimize(objective, n_trials=30)
    return study


def no_parameters() -> Study:
    study = optuna.create_study()
    study.optimize(lambda trial: 1.0, n_trials=3)
    return study


def changing_intervals() -> Study:
    study = optuna.create_study()
    for i in range(9):
        interval = FloatDistribution(0, 10 + 10 * (i % 2))
        value = math.inf if i == 3 else float(i)
        study.add_trial(
            create_trial(params={"x": float(i)}, distributions={"x": interval}, value=value)
        )
    return study


CASES = (
    only_pruned,
    one_trial,
    one_running,
    one_waiting,
    only_failed,
    only_nan,
    infinite,
    conditional_and_mixed,
    no_parameters,
    changing_intervals,
)


@pytest.mark.parametrize("make", CASES, ids=lambda case: case.__name__)
def test_every_study_has_a_page(make: Callable[[], Study], tmp_path: Path) -> None:
    data = read_study(make(), tmp_path)
    sections = sections_of(data)
    formats = ("csv", "parquet", "xlsx", "md", "html")
    for path in write("a study", "", data.tables, sections, tmp_path / "out", formats):
        assert path.stat().st_size > 0
    assert [section.key for section in sections][-1] == "provenance"


def test_sections_without_anything_to_say_are_left_out(tmp_path: Path) -> None:
    keys = [section.key for section in sections_of(read_study(only_failed(), tmp_path))]
    assert "evaluation" not in keys
    assert "curves" not in keys


def test_a_study_without_trials_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"study 'study' has no trials yet"):
        read_study(studies.our_study(), tmp_path)


def test_a_study_with_two_objectives_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    with pytest.raises(UserError, match="2 objectives"):
        read_study(study, tmp_path)
