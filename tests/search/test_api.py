"""The three calls from Python: what they give, and what they refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from search import api
from search.common.errors import UserError
from search.common.locations import default_storage
from search.reporting.study_data import read_study
from spaces.params import Float
from spaces.space import Preset, Space
from tests.faults.tiny_space import SPACE
from tests.search.in_process import run_here
from tests.search.reporting import studies
from trainers.runs.history import read_history
from trainers.validators import ConfigError


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr("search.workers.driver.run_search", run_here)


def search(data_dir: Path, **flags: Any) -> Any:
    small = {"preset": "quick", "epochs": 1, "threads": 1, "n_trials": 2, "sampler": "random"}
    return api.search(SPACE, data_dir=data_dir, **{**small, **flags})


def test_a_search_of_a_space_object_gives_its_study(data_dir: Path) -> None:
    result = search(data_dir, quiet=True)
    assert result.ended == "finished"
    assert result.study.study_name == "tiny-quick"
    assert result.trials["state"].tolist() == ["COMPLETE"] * 2
    assert result.epochs[["number", "epoch"]].values.tolist() == [[0, 1], [1, 1]]
    assert result.best.value == result.study.best_value
    assert result.best.params == result.study.best_params
    assert result.verdict is None  # the space asks for no re-evaluation
    assert result.record.provenance.command.startswith(
        "python -m search.run --space '<Space tiny>' --preset quick"
    )
    assert f"best: trial {result.best.number}" in result._repr_html_()
    assert "completed" in repr(result)
    assert result.report("csv") == [
        Path("results/tiny-quick/report/trials.csv"),
        Path("results/tiny-quick/report/epochs.csv"),
    ]
    again = search(data_dir, quiet=True)
    assert len(again.trials) == 2  # the study's total


def test_a_training_function_is_found_beside_the_notebook(tmp_path: Path) -> None:
    space = Space(
        name="mine",
        baseline={"lr": 0.1, "epochs": 1},
        parameters=(Float("lr", 0.01, 1.0, log=True),),
        presets={"full": Preset(n_trials=2, sampler="random", confirm=0)},
        train="my_task:train",
    )
    with pytest.raises(UserError, match=r"there is no my_task\.py"):
        api.search(space)
    tmp_path.joinpath("my_task.py").write_text(
        "def train(config, run):\n"
        "    for epoch in run.epochs():\n"
        "        yield {'val_top1': 100 * config['lr']}\n"
    )
    result = api.search(space, quiet=True)
    assert result.trials["val_top1"].tolist() == [10.0, 100 * result.trials["params_lr"].iloc[1]]
    assert "baseline and the best: trial 0" in result._repr_html_()


def test_a_search_prints_its_lines_and_no_summary(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is the result's part."""
    monkeypatch.setattr("search.workers.driver.run_search", lambda *args: "timed out")
    result = search(data_dir)
    assert result.ended == "timed out"
    assert result.best is None
    assert repr(result) == "<study 'tiny-quick': No trial has completed yet. (timed out)>"
    assert "<table" not in result._repr_html_()
    out = capsys.readouterr().out
    assert "precision float32, " in out
    assert "python -m search.report" not in out


@pytest.mark.parametrize(
    ("space", "flags", "error", "words"),
    [
        ("wrn_smm", {}, UserError, "unknown space 'wrn_smm'; did you mean 'wrn_sam'?"),
        ("wrn_sam", {"n_trials": 0}, UserError, "--n-trials must be at least 1, got 0"),
        ("wrn_sam", {"set": {"lr": -1}}, ConfigError, "lr must be above 0, got -1"),
        ("wrn_sam", {"n_trails": 1}, TypeError, "did you mean 'n_trials'?"),
    ],
)
def test_wrong_input_is_raised_before_anything_is_written(
    space: str, flags: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as raised:
        api.search(space, **flags)
    assert words in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_ray_of_ones_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    with pytest.raises(UserError, match=r"call ray\.shutdown\(\) first"):
        api.search(SPACE)


def test_a_study_is_read_as_its_report_has_it(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    study = studies.usual_study(results, storage=default_storage(results))
    data = read_study(study, results)
    result = api.load()  # the only one
    pd.testing.assert_frame_equal(result.trials, data.tables["trials"])
    pd.testing.assert_frame_equal(result.epochs, data.epochs)
    assert result.ended is None
    assert result.best == data.best
    elsewhere = api.load("study", default_storage(results), results_dir="elsewhere")
    assert elsewhere.trials["value"].equals(data.trials["value"])
    files = elsewhere.report("csv,parquet", out="here")
    assert {file.suffix for file in files} == {".csv", ".parquet"}
    assert {file.parent for file in files} == {Path("here")}
    with pytest.raises(UserError, match="--format takes"):
        result.report("pdf")
    with pytest.raises(UserError, match="no study 'none' in"):
        api.load("none")


def test_a_notebook_shows_what_is_chosen_beside_the_baseline(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    studies.usual_study(results, name="a <b>", storage=default_storage(results))
    result = api.load()
    html = result._repr_html_()
    assert html.startswith("<p><b>")
    for words in (f"best: trial {result.best.number}", "84.36", "a &lt;b&gt;: "):
        assert words in html
    assert "<b>: " not in html


def test_one_setting_is_trained(data_dir: Path, tmp_path: Path) -> None:
    flags = {"preset": "quick", "epochs": 2, "threads": 1, "data_dir": data_dir, "out": "here"}
    result = api.train("lenet_batch", set={"batch_size": 200}, **flags)
    kept = json.loads(Path("here/test.json").read_text())
    assert result.figures["test_top1"] == result.evaluation.top1 == kept["top1"]
    assert result.config.batch_size == 200
    assert result.epochs.to_dict("records") == read_history(Path("here"))
    assert sum(weights.numel() for weights in result.model.parameters()) == 62_006
    assert f"<td>{kept['top1']:.2f}</td>" in result._repr_html_()
    assert repr(result).startswith("<lenet, evaluated at epoch ")
    with pytest.raises(UserError, match="is not empty; resume with --resume"):
        api.train("lenet_batch", set={"batch_size": 200}, **flags)
    again = api.train("lenet_batch", set={"batch_size": 200}, resume=True, **flags)
    assert again.evaluation.top1 == kept["top1"]
