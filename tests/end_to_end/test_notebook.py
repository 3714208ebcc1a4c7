"""The notebook of the documentation, executed as Jupyter does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import optuna
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
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


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARPSEARCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)


def execute(book: Any, folder: Path) -> None:
    NotebookClient(book, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()


def test_the_notebook_runs_and_shows_its_results(tmp_path: Path) -> None:
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)  # none are stored
    execute(book, tmp_path)

    *shown, result = [o for o in outputs_of(book, "result = search(") if not on_stderr(o)]
    printed = "".join(output.text for output in shown if output.output_type == "stream")
    assert "small_wrn: preset quick" in printed
    assert "re-evaluation: the best setting and the baseline" in printed
    assert "\x1b" not in printed  # what moves the cursor of a terminal
    (view,) = [output for output in shown if output.output_type == "display_data"]
    assert view.data["text/html"] == ""  # the progress, gone at the end
    assert ": trial 0" in result.data["text/html"]

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


INTERRUPTED = """
import os, signal, threading, time
from pathlib import Path
from search.api import search

def interrupt():
    "As the button does, once an epoch is on record."
    log = Path("results/lenet_batch-quick/search.log")
    while not (log.exists() and " epoch 1/" in log.read_text()):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
call = dict(preset="quick", epochs=40, n_trials=1, threads=1, confirm=0)
first = search("lenet_batch", **call)
print(first.ended, first.trials["state"].tolist(), 1 <= len(first.epochs) < 40)
"""
GONE_ON = """
again = search("lenet_batch", quiet=True, **call)
print(again.ended, again.trials["state"].tolist(), again.epochs["epoch"].tolist())
"""


def test_an_interrupted_cell_has_its_result_and_goes_on_in_the_same_kernel(tmp_path: Path) -> None:
    book = new_notebook(cells=[new_code_cell(INTERRUPTED), new_code_cell(GONE_ON)])
    execute(book, tmp_path)
    first, again = (
        "".join(output.get("text", "") for output in cell.outputs if not on_stderr(output))
        for cell in book.cells
    )
    assert first.endswith("interrupted ['RUNNING'] True\n")
    assert again.endswith(f"finished ['COMPLETE'] {list(range(1, 41))}\n")
