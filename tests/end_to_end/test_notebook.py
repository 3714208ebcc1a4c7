"""The notebook of the documentation, executed as Jupyter does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import optuna
import pytest
from nbclient import NotebookClient
from optuna.trial import TrialState

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"


def on_stderr(output: Any) -> bool:
    """Libraries say there what Jupyter lacks."""
    return output.output_type == "stream" and output.name == "stderr"


def outputs_of(book: Any, words: str) -> list[Any]:
    """Those of the one cell with ``words`` in it."""
    (cell,) = [c for c in book.cells if c.cell_type == "code" and words in c.source]
    return cell.outputs


def test_the_notebook_runs_and_shows_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHARPSEARCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)  # none are stored
    NotebookClient(book, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()

    *shown, result = [o for o in outputs_of(book, "result = search(") if not on_stderr(o)]
    printed = "".join(output.text for output in shown if output.output_type == "stream")
    assert "small_wrn: preset quick" in printed
    assert "confirmation: the best setting and the recipe" in printed
    assert "\x1b" not in printed  # what moves the cursor of a terminal
    (view,) = [output for output in shown if output.output_type == "display_data"]
    assert view.data["text/html"] == ""  # the progress, gone at the end
    assert "trial 0: the recipe" in result.data["text/html"]

    url = f"sqlite:///{tmp_path}/results/studies.db"
    study = optuna.load_study(study_name="small_wrn-quick", storage=url)
    assert not [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    (table,) = outputs_of(book, "result.trials[")
    assert table.data["text/html"].count("<tr") == len(study.trials) + 1
    (figure,) = outputs_of(book, "plot_intermediate_values(")
    curves = figure.data["application/vnd.plotly.v1+json"]["data"]
    assert curves[0]["y"] == list(study.trials[0].intermediate_values.values())
    trained = outputs_of(book, "run = train(")[-1]
    assert "test top-1 (%)" in trained.data["text/html"]
    assert (tmp_path / "results/small_wrn-quick/report/index.html").exists()
