"""A search whose learning rate a range test narrows first, and that resumes with its result."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from search import run
from search.autotune.lr_range import in_words
from search.common.layout import StudyFolder
from search.record.record import read_record
from tests.search.in_process import run_here

FLAGS = ("--space", "lenet_epochs", "--preset", "quick", "--lr-range-test")


def test_a_search_narrows_records_and_goes_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("search.workers.driver.run_search", run_here)
    places = ("--data-dir", str(tmp_path / "data"), "--results-dir", str(tmp_path / "results"))
    flags = (*FLAGS, *places, "--epochs", "1", "--threads", "1", "--precision", "float32")
    assert run.main([*flags, "--n-trials", "1"]) == 0
    first = capsys.readouterr().out
    url = f"sqlite:///{tmp_path / 'results' / 'studies.db'}"
    study = optuna.load_study(study_name="lenet_epochs-quick", storage=url)
    facts = read_record(study)
    assert facts is not None
    found = facts.lr_range
    assert found is not None
    assert found.suggestion is not None
    assert found.steps == 300
    # Within the space's interval, around the suggestion and the baseline's rate.
    low, high = found.low, found.high
    assert 1e-4 <= low <= min(found.suggestion, 0.001) < max(found.suggestion, 0.001) <= high <= 0.1
    assert (low, high) != (1e-4, 0.1)
    assert StudyFolder(tmp_path / "results", "lenet_epochs-quick").lr_range.is_file()
    assert "learning-rate range test over 300 mini-batches" in first
    assert in_words(found) in first
    assert study.trials[0].params["lr"] == 0.001  # the report's baseline is still trial 0
    assert run.main([*flags, "--n-trials", "2"]) == 0
    again = capsys.readouterr().out
    assert f"as the study began: {in_words(found)}" in again
    assert low <= study.trials[1].params["lr"] <= high
