"""A search's progress in a Jupyter notebook: one output, replaced, and lines beside it."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from search.study.events import Ended, Epoch, Note, Standing, Started
from search.terminal import notebook
from search.terminal.display import Display
from search.terminal.progress import Progress
from trainers.metrics import METRICS

TOP1 = METRICS["val_top1"]
EVENTS = (
    Started(1, {"lr": 0.5}, 4, 0),
    Epoch(1, 2, 4, 61.25, TOP1, {}),
    Note("[careful]"),
    Ended(1, "COMPLETE", "completed", {}, TOP1, 61.25),
    Standing((), TOP1),
)


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the notebook's one output showed, in order."""
    shown: list[str] = []

    def display(first: Any, display_id: bool) -> Any:
        assert display_id
        shown.append(first.data)
        return SimpleNamespace(update=lambda html: shown.append(html.data))

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("search.terminal.display.in_notebook", lambda: True)
    monkeypatch.setattr(notebook, "SECONDS_BETWEEN_VIEWS", 0)
    return shown


def test_the_view_is_replaced_and_goes_at_the_end(outputs: list[str]) -> None:
    screen, log = io.StringIO(), io.StringIO()
    display = Display(Progress(4), Console(file=screen, width=80), log, "reference: 84.36 %")
    with display.running():
        for event in EVENTS:
            display(event)
    assert len(outputs) == len(EVENTS) + 2
    assert "61.25 %" in outputs[2]
    assert "84.36" in outputs[2]
    assert "lr=0.5" in outputs[2]
    assert outputs[0] == outputs[-1] == ""
    assert screen.getvalue() == "[careful]\n"  # the view has the rest
    assert len(log.getvalue().splitlines()) == 4


def test_a_quiet_search_shows_no_view(outputs: list[str]) -> None:
    console = Console(file=io.StringIO())
    with Display(Progress(4), console, io.StringIO(), "", "quiet").running():
        pass
    assert outputs == []


def test_many_epochs_are_not_as_many_views(
    outputs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(notebook, "SECONDS_BETWEEN_VIEWS", 0.5)
    monkeypatch.setattr(notebook, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    view = notebook.NotebookView(lambda height: Text(f"at {clock[0]:g} s"))
    for clock[0] in (0.0, 0.2, 0.4, 0.6, 0.7, 1.2):
        view.update()
    assert [re.findall(r"at (.*) s", html) for html in outputs[1:]] == [["0"], ["0.6"], ["1.2"]]
