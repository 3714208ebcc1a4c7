"""What a study carries for the dashboard, read back with the dashboard's own functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study
from optuna.trial import Trial, TrialState
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

from search.record.record import Provenance
from search.reporting import dashboard_notes
from search.reporting.dashboard_notes import OURS, save_notes
from search.reporting.study_data import read_study
from tests.search.reporting import studies


def save(study: Study, results_dir: Path) -> None:
    save_notes(study, read_study(study, results_dir))


def note(study: Study, number: int) -> str:
    return get_note(Trial(study, study.get_trials()[number]._trial_id))


def attributes(study: Study) -> dict[str, Any]:
    return study._storage.get_study_system_attrs(study._study_id)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder that tests read."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def given(results: Path) -> Study:
    """A study with all kinds of trials, with its notes."""
    study = studies.usual_study(results)
    save(study, results)
    return study


@pytest.fixture
def study() -> Study:
    """The baseline's trial and one that failed, without notes."""
    study = studies.our_study()
    study.add_trials([studies.trial(0, [1.0, 2.0]), studies.trial(1, [], TrialState.FAIL)])
    return study


def test_the_studys_note_opens_with_the_answer(given: Study) -> None:
    text = get_note(given)
    title, answer, *_ = text.split("\n\n")
    assert title == "## A space"
    assert answer.startswith("**Trial 2 is the best of 3 completed trials: ")
    assert "| test top-1 (%) | 69.00 (52.1–83.3) | 81.00 (62.7–90.5) | +12.00 | 84.36 |" in text
    assert "python -m search.run --space space" in text
    assert text.rstrip().endswith(OURS)


def test_each_trials_note_says_why_it_ended_and_where_its_files_are(
    given: Study, results: Path
) -> None:
    assert "**pruned at epoch 2 of 4**" in note(given, 1)
    assert "changed from baseline: lr = 0.01, width = 1" in note(given, 1)
    assert str(results / "study" / "trials" / "00001") in note(given, 1)
    assert "**RuntimeError: boom**" in note(given, 4)
    assert "test top-1 81.00 %" in note(given, 2)


def test_figures_are_what_the_dashboard_can_draw(given: Study) -> None:
    found = get_plotly_graph_objects(attributes(given))
    figures = {key: json.loads(text) for key, text in found.items()}
    assert {"history-0", "curves-0", "curves-1", "rungs-0", "cost-0"} <= set(figures)
    best = [t for t in figures["curves-0"]["data"] if t.get("name") == "best, trial 2"]
    assert best[0]["y"] == [50, 70, 80, 82]
    assert all(len(text) < 60_000 for text in found.values())


def test_saving_again_writes_no_note(study: Study, tmp_path: Path) -> None:
    save(study, tmp_path)
    before = attributes(study)
    save(study, tmp_path)
    assert attributes(study) == before


def test_trials_are_left_as_they_are(study: Study, tmp_path: Path) -> None:
    before = study.get_trials()
    save(study, tmp_path)
    assert study.get_trials() == before
    assert study.user_attrs.keys() == studies.our_study().user_attrs.keys()


def test_a_new_best_is_in_the_note_and_a_trial_at_work_has_none(
    study: Study, tmp_path: Path
) -> None:
    save(study, tmp_path)
    study.add_trial(studies.trial(2, [60.0, 80.0, 90.0, 91.0], lr=0.3))
    study.add_trial(studies.trial(3, [60.0], TrialState.RUNNING))
    save(study, tmp_path)
    assert "| 90.00 (" in get_note(study)
    assert "**completed**" in note(study, 2)
    assert note(study, 3) == ""


def test_notes_of_users_stay(study: Study, tmp_path: Path) -> None:
    save_note(study, "my own words")
    save_note(Trial(study, study.get_trials()[1]._trial_id), "look at this one")
    save(study, tmp_path)
    assert get_note(study) == "my own words"
    assert note(study, 1) == "look at this one"


def test_studies_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    save(study, tmp_path)
    assert attributes(study) == {}


def test_a_password_is_in_no_note(tmp_path: Path) -> None:
    command = "python -m search.run --storage mysql://me:geheim@host/db"
    study = studies.our_study(provenance=Provenance(command))
    study.add_trial(studies.trial(0, [1.0]))
    save(study, tmp_path)
    assert "geheim" not in get_note(study)
    assert "mysql://me:***@host/db" in get_note(study)


def test_a_large_study_has_a_bounded_number_of_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard looks through all of a study's attributes for each of its trials."""
    monkeypatch.setattr(dashboard_notes, "MOST_NOTES", 5)
    study = studies.our_study()
    study.add_trials([studies.trial(i, [float(i)], lr=0.1 + 0.01 * i) for i in range(40)])
    save(study, tmp_path)
    noted = [i for i in range(40) if note(study, i)]
    assert noted == [0, 36, 37, 38, 39]  # the baseline, the best, the newest
