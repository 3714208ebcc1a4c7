"""What a study carries for the dashboard, read back with the dashboard's own functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore
from optuna.exceptions import StorageInternalError
from optuna.study import Study
from optuna.trial import Trial, TrialState
from optuna_dashboard import get_note, save_note
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from optuna_dashboard.artifact._backend import list_trial_artifacts

from search.common.layout import StudyFolder
from search.dashboard_sync.notes import OURS, code, write_note
from search.dashboard_sync.sync import DashboardSync, Saved, save_study
from search.record.record import Provenance
from search.storage.optuna_internals import study_attributes
from tests.search.reporting import studies


class Desk:
    """A study, where its files go, and what the dashboard sees of it."""

    def __init__(self, study: Study, folder: Path):
        self.study = study
        self.folder = folder
        self.store = FileSystemArtifactStore(folder)
        self.saved = Saved()

    def save(self, results_dir: Path) -> None:
        save_study(self.study, results_dir, self.store, self.saved)

    @property
    def attributes(self) -> dict[str, Any]:
        return self.study._storage.get_study_system_attrs(self.study._study_id)

    def files(self, number: int) -> dict[str, str]:
        """Name → id of a trial's files."""
        trial = self.study.get_trials()[number]
        listed = list_trial_artifacts(self.attributes, {}, trial)
        return {meta["filename"]: meta["artifact_id"] for meta in listed}

    def note(self, number: int) -> str:
        trial = self.study.get_trials()[number]
        return get_note(Trial(self.study, trial._trial_id))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder that tests read."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def given(results: Path) -> Desk:
    """A study with all kinds of trials, and what it is given."""
    (results / "artifacts").mkdir()
    study = studies.usual_study(results)
    path = results / "study" / "trials" / "00005" / "feature_maps.png"
    path.write_bytes(b"\x89PNG picture")
    desk = Desk(study, results / "artifacts")
    desk.save(results)
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """The recipe's trial and one that failed, not yet given."""
    (tmp_path / "artifacts").mkdir()
    study = studies.our_study()
    study.add_trials([studies.trial(0, [1.0, 2.0]), studies.trial(1, [], TrialState.FAIL)])
    studies.write_history(StudyFolder(tmp_path, "study"), 0, [1.0, 2.0])
    return Desk(study, tmp_path / "artifacts")


def test_the_studys_note_has_result_reference_and_command(given: Desk) -> None:
    note = get_note(given.study)
    assert "| test top-1 (%) | 84.36 | 69.00 (52.1–83.3) | 81.00 (62.7–90.5) | +12.00 |" in note
    assert "python -m search.run --space space" in note
    assert note.rstrip().endswith(OURS)


def test_each_trials_note_says_why_it_ended_and_where_its_files_are(
    given: Desk, results: Path
) -> None:
    assert "**pruned at epoch 2 of 4**" in given.note(1)
    assert "unlike the recipe: lr = 0.01, width = 1" in given.note(1)
    assert str(results / "study" / "trials" / "00001") in given.note(1)
    assert "**RuntimeError: boom**" in given.note(4)
    assert "test top-1 81.00 %" in given.note(2)


def test_each_trial_has_its_files(given: Desk, results: Path) -> None:
    assert set(given.files(2)) == {"curves.png", "confusion.png", "history.csv"}
    assert set(given.files(1)) == {"curves.png", "history.csv"}
    assert given.files(4) == {}
    history = (given.folder / given.files(2)["history.csv"]).read_bytes()
    assert history == StudyFolder(results, "study").history(2).read_bytes()
    picture = (given.folder / given.files(2)["confusion.png"]).read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_feature_maps_are_shown_where_they_exist(given: Desk) -> None:
    shown = given.folder / given.files(5)["feature_maps.png"]
    assert shown.read_bytes() == b"\x89PNG picture"


def test_plots_are_what_the_dashboard_can_draw(given: Desk) -> None:
    found = get_plotly_graph_objects(given.attributes)
    plots = {key: json.loads(text) for key, text in found.items()}
    assert {"curves-0", "curves-1", "rungs-0", "cost-0"} <= set(plots)
    best = [t for t in plots["curves-0"]["data"] if t.get("name") == "best, trial 2"]
    assert best[0]["y"] == [50, 70, 80, 82]
    assert all(len(text) < 60_000 for text in found.values())


def test_saving_again_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.save(tmp_path)
    before, files = desk.attributes, sorted(desk.folder.iterdir())
    desk.saved = Saved()  # another dashboard
    desk.save(tmp_path)
    assert desk.attributes == before
    assert sorted(desk.folder.iterdir()) == files


def test_trials_are_left_as_they_are(desk: Desk, tmp_path: Path) -> None:
    before = desk.study.get_trials()
    attributes = desk.study.user_attrs
    desk.save(tmp_path)
    assert desk.study.get_trials() == before
    assert desk.study.user_attrs == attributes


def test_news_of_a_running_study_are_added(desk: Desk, tmp_path: Path) -> None:
    desk.save(tmp_path)
    desk.study.add_trial(studies.trial(2, [60.0, 80.0, 90.0, 91.0], lr=0.3))
    desk.save(tmp_path)
    assert "| 90.00 (" in get_note(desk.study)
    assert "**completed**" in desk.note(2)


def test_a_trial_at_work_has_no_note_yet(desk: Desk, tmp_path: Path) -> None:
    desk.study.add_trial(studies.trial(2, [60.0], TrialState.RUNNING))
    desk.save(tmp_path)
    assert desk.note(2) == ""


def test_notes_of_users_stay(desk: Desk, tmp_path: Path) -> None:
    save_note(desk.study, "my own words")
    save_note(Trial(desk.study, desk.study.get_trials()[1]._trial_id), "look at this one")
    desk.save(tmp_path)
    assert get_note(desk.study) == "my own words"
    assert desk.note(1) == "look at this one"


def test_a_file_that_was_deleted_stays_deleted(desk: Desk, tmp_path: Path) -> None:
    desk.save(tmp_path)
    trial = desk.study.get_trials()[0]
    key = f"dashboard:artifacts:{trial._trial_id}:{desk.files(0)['history.csv']}"
    desk.study._storage.set_study_system_attr(desk.study._study_id, key, "null")
    desk.saved = Saved()
    desk.save(tmp_path)
    assert set(desk.files(0)) == {"curves.png"}


def test_a_storage_that_cannot_be_asked_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = optuna.storages.InMemoryStorage()
    sync = DashboardSync(storage, tmp_path, FileSystemArtifactStore(tmp_path))

    def broken() -> None:
        raise StorageInternalError("database is\nlocked")

    monkeypatch.setattr(storage, "get_all_studies", broken)
    sync.look()
    assert capsys.readouterr().err == "warning: the study database: database is locked\n"


def test_studies_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    other = Desk(study, tmp_path)
    other.save(tmp_path)
    assert other.attributes == {}


def test_a_shorter_note_leaves_nothing_of_a_longer_one() -> None:
    study = optuna.create_study()
    for text in ("long " * 2000, "short", "", "again " * 1000):
        write_note(study, text, study_attributes(study))
        assert get_note(study) == text


@pytest.mark.parametrize("text", ["plain", "a`b", "a``b", "`", "results/`x`"])
def test_code_holds_any_text(text: str) -> None:
    from markdown_it import MarkdownIt

    assert f"<code>{text}</code>" in MarkdownIt().render(code(text))


def test_a_password_is_in_no_note(tmp_path: Path) -> None:
    command = "python -m search.run --storage mysql://me:geheim@host/db"
    study = studies.our_study(provenance=Provenance(command))
    study.add_trial(studies.trial(0, [1.0]))
    (tmp_path / "artifacts").mkdir()
    Desk(study, tmp_path / "artifacts").save(tmp_path)
    assert "geheim" not in get_note(study)
    assert "mysql://me:***@host/db" in get_note(study)


class Counting(optuna.storages.InMemoryStorage):
    """Counts how often a study's attributes are read and written."""

    reads = writes = 0

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        self.reads += 1
        return super().get_study_system_attrs(study_id)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.writes += 1
        super().set_study_system_attr(study_id, key, value)


def test_a_large_study_is_given_a_bounded_number_of_notes_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dashboard looks through all of a study's attributes for each of its trials, so neither
    their number nor the reads may grow with the trials'."""
    most = 5
    for name in ("MOST", "FEWEST"):
        monkeypatch.setattr(f"search.dashboard_sync.sync.{name}", most)
    storage = Counting()
    study = studies.our_study(storage=storage)
    number = 8 * most
    values = [[float(i)] for i in range(number)]
    study.add_trial(studies.trial(0, values[0]))
    study.add_trials([studies.trial(i, values[i], lr=0.001 * i) for i in range(1, number)])
    folder = StudyFolder(tmp_path, "study")
    for i in range(number):
        studies.write_history(folder, i, values[i])
    (tmp_path / "artifacts").mkdir()
    desk = Desk(study, tmp_path / "artifacts")
    desk.save(tmp_path)
    assert storage.reads < 20
    assert storage.writes < 2 * most + 4 * most + 20
    assert desk.note(0)  # the recipe
    assert desk.note(number - 1)  # the best and the newest
    assert not desk.note(1)
    assert "history.csv" in desk.files(0)
    study.add_trial(studies.trial(number, [0.5], lr=0.9))
    before = storage.writes
    desk.save(tmp_path)
    assert storage.writes - before < 20
