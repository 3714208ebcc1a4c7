"""What a report is made of: sections with a banner, tiles, tables, charts, commands and facts."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Marks of rows, also the classes of the page's rows.
BEST, BASELINE, REFERENCE, PLAIN = "best", "baseline", "reference", ""
CHANGED, DIFFERS, RULE = "changed", "differs", "rule"
EMPTY = ("", "–")


@dataclass(frozen=True)
class Row:
    """Cells from left to right; ``mark`` says what the row stands out for."""

    cells: tuple[str, ...]
    mark: str = PLAIN


@dataclass(frozen=True)
class Table:
    """A table; ``text_columns`` are aligned left, the others right. ``brief``: as many rows, and
    the baseline's, where nobody can sort or filter (None: all)."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    text_columns: frozenset[int] = field(default_factory=lambda: frozenset({0}))
    brief: int | None = None

    @property
    def trial_column(self) -> int:
        """The column of the trials' numbers; −1 where there is none."""
        return self.headings.index("trial") if "trial" in self.headings else -1

    @property
    def sorts(self) -> bool:
        """Return whether the rows are of one kind: a table without a first heading lists
        figures."""
        return len(self.rows) > 2 and self.headings[0] != ""

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row.cells) == len(self.headings), (self.title, row)

    def to_html(self) -> str:
        """Return the table as pandas shows its own in a notebook; every text is escaped."""
        frame = pd.DataFrame([row.cells for row in self.rows], columns=list(self.headings))
        with pd.option_context("display.max_colwidth", None):  # no text is cut
            rows = frame.to_html(index=False)
        words = " ".join(filter(None, (f"{self.title}.", self.caption)))
        return f"{rows}\n<p>{escape(words)}</p>"


def table_of(
    title: str,
    rows: Sequence[tuple[Mapping[str, str], str]],
    caption: str = "",
    text_columns: Collection[int] = (0,),
    drop_empty: bool = False,
) -> Table | None:
    """Return a table of rows that are heading → cell, each with its mark; None without rows."""
    if not rows:
        return None
    cells = tuple(Row(tuple(row.values()), mark) for row, mark in rows)
    table = Table(title, tuple(rows[0][0]), cells, caption, frozenset(text_columns))
    return drop_empty_columns(table) if drop_empty else table


def drop_empty_columns(table: Table, always: Collection[int] = (0,)) -> Table:
    """Return ``table`` without the columns in which no row has anything to say."""
    columns = range(len(table.headings))
    kept = [i for i in columns if i in always or any(r.cells[i] not in EMPTY for r in table.rows)]
    return keep_columns(table, kept)


def keep_columns(table: Table, kept: Sequence[int], more: str = "") -> Table:
    """Return just the columns ``kept``; ``more`` is added to the caption."""
    return replace(
        table,
        headings=tuple(table.headings[i] for i in kept),
        rows=tuple(Row(tuple(row.cells[i] for i in kept), row.mark) for row in table.rows),
        caption=" ".join(filter(None, (table.caption, more))),
        text_columns=frozenset(kept.index(i) for i in table.text_columns if i in kept),
    )


def fold_constant_columns(table: Table) -> Table:
    """Return ``table`` without the columns in which all rows say the same: the caption says it
    once. Reference figures do not count as rows here."""
    rows = [row for row in table.rows if row.mark != REFERENCE]
    references = [row for row in table.rows if row.mark == REFERENCE]
    if len(rows) < 2:
        return table
    columns = range(len(table.headings))
    constant = [
        i
        for i in columns
        if len({row.cells[i] for row in rows}) == 1
        and all(row.cells[i] in (*EMPTY, rows[0].cells[i]) for row in references)
    ]
    if not constant:
        return table
    same = ", ".join(f"{table.headings[i]} {rows[0].cells[i]}" for i in constant)
    kept = [i for i in columns if i not in constant]
    return keep_columns(table, kept, f"The same in all: {same}.")


@dataclass(frozen=True)
class Banner:
    """The verdict: ``headline`` in two words, ``text`` in a sentence. ``tone`` is good, neutral or
    bad; ``interval`` is the gain over the baseline as (low, estimate, high), above 0 better."""

    headline: str
    text: str
    tone: str = "neutral"
    interval: tuple[float, float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def positions(self) -> dict[str, float] | None:
        """Where a bar has ``low``, ``estimate``, ``high`` and ``zero``, in % of its width; None
        without a finite interval."""
        if self.interval is None or not all(map(math.isfinite, self.interval)):
            return None
        low, high = min(0.0, self.interval[0]), max(0.0, self.interval[2])
        width = (high - low) or 1.0
        named = dict(zip(("low", "estimate", "high"), self.interval, strict=True), zero=0.0)
        return {name: round(5 + 90 * (value - low) / width, 2) for name, value in named.items()}


@dataclass(frozen=True)
class Facts:
    """Names and values in two columns."""

    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Commands:
    """Texts to copy, each with its label."""

    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tiles:
    """A few large figures in a row, each with name, value and a word on it. The first is the main
    one."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Picture:
    """An image file shown as it is."""

    key: str
    title: str
    path: Path


@dataclass(frozen=True)
class Chart:
    """Plotly's figures side by side where there is room. ``key`` is safe as an id. ``wide``
    figures have a row each, ``small`` ones stand three in a row."""

    key: str
    title: str
    figures: tuple[go.Figure, ...]
    caption: str = ""
    wide: bool = False
    small: bool = False


def chart(
    key: str,
    title: str,
    figures: Sequence[go.Figure],
    caption: str = "",
    wide: bool = False,
    small: bool = False,
) -> Chart | None:
    """Return a chart of the figures that have traces; None where none has. The first one has the
    legend."""
    shown = tuple(figure for figure in figures if figure.data)
    if not shown:
        return None
    shown[0].update_layout(showlegend=any(trace.name for trace in shown[0].data))
    return Chart(key, title, shown, caption, wide, small)


Block = Banner | Tiles | Table | Chart | Commands | Facts | Picture


@dataclass(frozen=True)
class Section:
    """A section of the page at the address ``key``; ``lead`` is one sentence on what is seen. A
    ``folded`` one opens with a click."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""
    folded: bool = False


def section(
    key: str, title: str, blocks: Sequence[Block | None], lead: str = "", folded: bool = False
) -> Section | None:
    """Return a section of the blocks that there are; None when there is nothing to show."""
    there = tuple(block for block in blocks if block is not None)
    return Section(key, title, there, lead, folded) if there else None
