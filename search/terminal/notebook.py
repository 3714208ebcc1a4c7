"""A search in a Jupyter notebook: lines as in a pipe, and one output that shows how it stands."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType

from search.common.lasting_stream import LastingStream

SECONDS_BETWEEN_VIEWS = 0.5
HEIGHT, WIDTH = 30, 110  # lines and columns
PRE = '<pre style="line-height: 1.2; white-space: pre">{code}</pre>'


def make_console() -> Console:
    """Return the console. In a notebook a line is plain text: rich would make an output of its own
    of each, or take Jupyter's stream for a terminal."""
    out: Any = LastingStream(sys.stdout)
    return Console(file=out, force_jupyter=False, force_terminal=False if in_notebook() else None)


def in_notebook() -> bool:
    """Return whether this is a notebook, as rich sees it."""
    return Console().is_jupyter


class NotebookView:
    """Shows what ``render`` gives, in place of what it gave before, until it is closed."""

    def __init__(self, render: Callable[[int], RenderableType]):
        from IPython.display import HTML, display

        self._html = HTML
        self._render = render
        self._output = display(HTML(""), display_id=True)
        self._next = 0.0

    def update(self) -> None:
        """Update the view, at most every half second."""
        if time.monotonic() >= self._next:
            self._output.update(self._html(as_html(self._render(HEIGHT))))
            self._next = time.monotonic() + SECONDS_BETWEEN_VIEWS

    def close(self) -> None:
        self._output.update(self._html(""))


def as_html(view: RenderableType) -> str:
    """Return what a terminal would show, with its colours."""
    console = Console(file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False)
    console.print(view)
    return console.export_html(inline_styles=True, code_format=PRE)
