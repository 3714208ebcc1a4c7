"""Text as it is: what a user named ``[v2]`` is no markup, and lines can be copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text


def say(console: Console, text: str) -> None:
    """Print a line as it is: not wrapped, so it can be copied, and not coloured."""
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


class PlainTable(Table):
    """A table whose title, caption, headings and cells are texts, brackets and all.

    Columns in ``right`` stand right; the default is all but the first. ``no_wrap``: cells are cut
    rather than broken.
    """

    def __init__(
        self,
        title: str,
        headings: Sequence[str],
        right: Sequence[int] | None = None,
        no_wrap: bool = False,
        **look: Any,
    ):
        look = {"box": None, "title_justify": "left", **look}
        super().__init__(title=Text(title, style="table.title"), **look)
        for i, heading in enumerate(headings):
            numeric = i > 0 if right is None else i in right
            side: JustifyMethod = "right" if numeric else "left"
            self.add_column(Text(heading), justify=side, no_wrap=no_wrap)

    def add_texts(self, *cells: str, style: str | None = None) -> None:
        """Add a row of ``cells``."""
        self.add_row(*map(Text, cells), style=style)

    def explain(self, caption: str) -> None:
        """Put a line below the table."""
        self.caption = Text(caption, style="table.caption")
