"""The end of a search in print, and the commands to resume with."""

from __future__ import annotations

import io
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.study import Study
from optuna.trial import TrialState, create_trial
from optuna_dashboard import get_note
from rich.console import Console

from search.dashboard import DashboardSettings
from search.record.record import ReferenceFigure, write_record
from search.record.trials import all_failed, spending
from search.report import ReportSettings
from search.settings.decide import decide
from search.settings.plan import SearchPlan
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from search.study.events import ALL_FAILED, FINISHED, INTERRUPTED
from search.terminal.search_summary import conclude, update_notes, where
from trainers.data.prepared import Meta

DATA = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "f")


@pytest.fixture(autouse=True)
def no_storage_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)


@pytest.fixture
def make_plan(tmp_path: Path) -> Callable[..., SearchPlan]:
    def make(*args: str) -> SearchPlan:
        flags = ["--space", "wrn_sam", "--preset", "quick", "--n-trials", "48"]
        flags += ["--data-dir", str(tmp_path), *args]
        request = make_request(RunSettings.parse(flags))
        plan, _ = decide(request, DATA, tmp_path, None, print)
        figure = ReferenceFigure("test_top1", 84.36, "report E")
        return replace(plan, record=replace(plan.record, references=(figure,)))

    return make


def flags_of(plan: SearchPlan) -> str:
    return where(plan.storage, plan.folder.results_dir)


def made_study() -> Study:
    return optuna.create_study(study_name="a study", direction="maximize")


def trial(
    lr: float, values: list[float], state: TrialState, reason: str, **recorded: str
) -> optuna.trial.FrozenTrial:
    done = state == TrialState.COMPLETE
    return create_trial(
        state=state,
        value=max(values) if done else None,
        params={"lr": lr},
        distributions={"lr": FloatDistribution(0.01, 1, log=True)},
        user_attrs={"reason": reason, "wall_seconds": 10.0, **recorded}
        | ({"test_top1": 70.5, "test_loss": 0.25} if done else {}),
        intermediate_values=dict(enumerate(values, start=1)),
    )


def printed(plan: SearchPlan, study: Study, ended: str = FINISHED) -> str:
    console = Console(file=io.StringIO(), width=100)
    write_record(study, plan.record)
    conclude(console, plan, study, ended)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_study_all_of_whose_trials_failed_says_so_after_the_reasons(
    make_plan: Callable[..., SearchPlan],
) -> None:
    study = made_study()
    study.add_trial(trial(0.8, [], TrialState.FAIL, "RuntimeError: boom", ended_by="error"))
    assert all_failed(study.get_trials())
    lines = printed(make_plan(), study, ALL_FAILED).splitlines()
    assert lines[0] == "trial 0 failed: RuntimeError: boom"
    assert any(line.startswith("every trial failed; once the cause is mended") for line in lines)
    study.add_trial(trial(0.1, [10.0], TrialState.COMPLETE, "completed"))
    assert not all_failed(study.get_trials())


def test_best_baseline_and_reference_are_printed(
    make_plan: Callable[..., SearchPlan], tmp_path: Path
) -> None:
    study = made_study()
    study.add_trial(trial(0.1, [10.0, 60.0], TrialState.COMPLETE, "completed"))
    study.add_trial(trial(0.3, [20.0, 65.5], TrialState.COMPLETE, "completed"))
    study.add_trial(trial(0.9, [5.0], TrialState.PRUNED, "pruned at epoch 1 of 6"))
    study.add_trial(trial(0.8, [], TrialState.FAIL, "RuntimeError: [boom]"))
    text = printed(make_plan("--epochs", "6"), study)
    for words in (
        "best: trial 1",
        "65.50",
        "84.36",
        "0.2500",
        "trial 3 failed: RuntimeError: [boom]",
    ):
        assert words in text
    assert "4 trials ended, 1 of them pruned: 5 epochs trained" in text
    assert "5 saved by pruning (50 %)" in text
    update_notes(study, tmp_path)
    assert "65.50" in get_note(study)


def test_without_references_there_is_no_such_column(make_plan: Callable[..., SearchPlan]) -> None:
    plan, study = make_plan(), made_study()
    study.add_trial(trial(0.1, [10.0, 60.0], TrialState.COMPLETE, "completed"))
    assert "published" in printed(plan, study)
    bare = replace(plan, record=replace(plan.record, references=()))
    text = printed(bare, study)
    assert "published" not in text
    assert "Preset quick on digits" in text


def test_a_loss_is_shown_as_one(make_plan: Callable[..., SearchPlan]) -> None:
    study = optuna.create_study(study_name="a study", direction="minimize")
    study.add_trial(trial(0.1, [0.5], TrialState.COMPLETE, "completed"))
    study.add_trial(trial(0.3, [0.25], TrialState.COMPLETE, "completed"))
    text = printed(make_plan("--objective", "val_loss"), study)
    (row,) = [row for row in text.splitlines() if "validation loss" in row]
    assert [cell.strip() for cell in row.split("│")[2:3]] == ["0.2500"]
    assert "best: trial 1" in text


def test_a_study_without_a_completed_trial(make_plan: Callable[..., SearchPlan]) -> None:
    study = made_study()
    study.add_trial(trial(0.8, [], TrialState.FAIL, "RuntimeError: boom"))
    text = printed(make_plan(), study, INTERRUPTED)
    assert "no trial has completed yet" in text
    assert "trial 0 failed: RuntimeError: boom" in text
    assert "interrupted; progress saved; rerun to resume" in text


def test_a_study_without_trials(make_plan: Callable[..., SearchPlan]) -> None:
    study = made_study()
    assert "no trial has begun yet" in printed(make_plan(), study, INTERRUPTED)
    assert get_note(study) == ""


def test_the_commands_have_the_flags_that_are_needed(
    make_plan: Callable[..., SearchPlan], tmp_path: Path
) -> None:
    assert flags_of(make_plan()) == ""
    assert flags_of(make_plan("--results-dir", "my results")) == " --results-dir 'my results'"
    elsewhere = f"sqlite:///{tmp_path}/x.db"
    assert flags_of(make_plan("--storage", elsewhere)) == f" --storage {elsewhere}"


def test_the_printed_commands_parse(make_plan: Callable[..., SearchPlan]) -> None:
    study = made_study()
    study.add_trial(trial(0.1, [10.0], TrialState.COMPLETE, "completed"))
    lines = printed(make_plan("--results-dir", "my results"), study).splitlines()
    for word, parser in (("report:", ReportSettings), ("dashboard:", DashboardSettings)):
        (text,) = [line for line in lines if line.startswith(word)]
        arguments = shlex.split(text)[4:]
        assert parser.parse(arguments).results_dir == "my results"
    (report,) = [line for line in lines if line.startswith("report:")]
    assert ReportSettings.parse(shlex.split(report)[4:]).study_name == "a study"


def test_a_storage_of_the_environment_needs_no_flag(
    make_plan: Callable[..., SearchPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:geheim@host/db"
    monkeypatch.setenv("OPTUNA_STORAGE", url)
    assert flags_of(make_plan()) == ""


def test_a_password_is_not_printed(make_plan: Callable[..., SearchPlan]) -> None:
    text = printed(make_plan("--storage", "postgresql://me:geheim@host/db"), made_study())
    assert "geheim" not in text
    assert "OPTUNA_STORAGE" in text


def test_divergence_is_not_the_pruners_merit() -> None:
    pruned = trial(0.1, [1.0, 2.0], TrialState.PRUNED, "pruned at epoch 2 of 6")
    diverged = trial(0.9, [1.0], TrialState.PRUNED, "diverged in epoch 1", ended_by="diverged")
    spent = spending([pruned, diverged], {"epochs": 6})
    assert (spent.pruned, spent.epochs_trained, spent.epochs_saved) == (2, 3, 4)
