"""What a page is made of: sections with tables, charts, pictures and facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from search.reporting.chart import Chart

BEST, RECIPE, REFERENCE, PLAIN = "best", "recipe", "reference", ""
CHANGED, DIFFERS, RULE = "changed", "differs", "rule"


@dataclass(frozen=True)
class Row:
    """Cells from left to right; ``mark`` says what the row stands out for."""

    cells: tuple[str, ...]
    mark: str = PLAIN


@dataclass(frozen=True)
class Table:
    """``text_columns`` stand left, the others right; the caption says what the eye cannot see.
    ``brief``: as many rows, and the recipe's, where nobody can sort or filter (None: all)."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    text_columns: frozenset[int] = field(default_factory=lambda: frozenset({0}))
    brief: int | None = None

    @property
    def trial_column(self) -> int:
        """Where the rows have the numbers of trials; −1 where they have none."""
        return self.headings.index("trial") if "trial" in self.headings else -1

    @property
    def sorts(self) -> bool:
        """Whether the rows are of one kind: a table without a first heading lists figures."""
        return len(self.rows) > 2 and self.headings[0] != ""

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row.cells) == len(self.headings), (self.title, row)


def table_of(
    title: str,
    rows: Sequence[tuple[Mapping[str, str], str]],
    caption: str = "",
    text_columns: Collection[int] = (0,),
    drop_empty: bool = False,
) -> Table | None:
    """A table of rows that are heading → cell, each with its mark; None where there are none."""
    if not rows:
        return None
    cells = tuple(Row(tuple(row.values()), mark) for row, mark in rows)
    table = Table(title, tuple(rows[0][0]), cells, caption, frozenset(text_columns))
    return drop_empty_columns(table) if drop_empty else table


def drop_empty_columns(table: Table, always: Sequence[int] = (0,)) -> Table:
    """Without the columns in which no row has anything to say."""
    kept = [
        i
        for i in range(len(table.headings))
        if i in always or any(row.cells[i] not in ("", "–") for row in table.rows)
    ]
    return keep_columns(table, kept)


def keep_columns(table: Table, kept: Sequence[int], more: str = "") -> Table:
    """Just the columns ``kept``; ``more`` is added to the caption."""
    return replace(
        table,
        headings=tuple(table.headings[i] for i in kept),
        rows=tuple(Row(tuple(row.cells[i] for i in kept), row.mark) for row in table.rows),
        caption=" ".join(filter(None, (table.caption, more))),
        text_columns=frozenset(kept.index(i) for i in table.text_columns if i in kept),
    )


def fold_constant_columns(table: Table) -> Table:
    """Without the columns in which all rows say the same: the caption says it once. Reference
    figures are no rows of these."""
    rows = [row for row in table.rows if row.mark != REFERENCE]
    references = [row for row in table.rows if row.mark == REFERENCE]
    if len(rows) < 2:
        return table
    constant = [
        i
        for i in range(len(table.headings))
        if len({row.cells[i] for row in rows}) == 1
        and all(row.cells[i] in ("", "–", rows[0].cells[i]) for row in references)
    ]
    if not constant:
        return table
    same = ", ".join(f"{table.headings[i]} {rows[0].cells[i]}" for i in constant)
    kept = [i for i in range(len(table.headings)) if i not in constant]
    return keep_columns(table, kept, f"The same in all: {same}.")


@dataclass(frozen=True)
class Facts:
    """Names and values in two columns."""

    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Tiles:
    """A few large figures in a row: name, value, a word on it."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Picture:
    """An image file shown as it is."""

    key: str
    title: str
    path: Path


Block = Table | Chart | Facts | Tiles | Picture


@dataclass(frozen=True)
class Section:
    """``key`` is its address on the page; ``lead`` one sentence on what is seen."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    lead: str = ""


def section(key: str, title: str, blocks: Sequence[Block | None], lead: str = "") -> Section | None:
    """A section of the blocks that there are; None when there is nothing to show."""
    there = tuple(block for block in blocks if block is not None)
    return Section(key, title, there, lead) if there else None
