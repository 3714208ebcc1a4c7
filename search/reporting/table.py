"""A table as pages, Markdown and terminals show it: headings, rows of texts, a caption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

BEST, RECIPE, PUBLISHED, PLAIN = "best", "recipe", "published", ""
CHANGED, DIFFERS, RULE = "changed", "differs", "rule"


@dataclass(frozen=True)
class Row:
    """Cells from left to right; ``mark`` says what the row stands out for."""

    cells: tuple[str, ...]
    mark: str = PLAIN


@dataclass(frozen=True)
class Table:
    """``numeric`` columns stand right; the caption says what the eye cannot see."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    text_columns: frozenset[int] = field(default_factory=lambda: frozenset({0}))

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row.cells) == len(self.headings), (self.title, row)


def drop_empty_columns(table: Table, always: Sequence[int] = (0,)) -> Table:
    """Without the columns in which no row has anything to say."""
    kept = [
        i
        for i in range(len(table.headings))
        if i in always or any(row.cells[i] not in ("", "–") for row in table.rows)
    ]
    return Table(
        table.title,
        tuple(table.headings[i] for i in kept),
        tuple(Row(tuple(row.cells[i] for i in kept), row.mark) for row in table.rows),
        table.caption,
        frozenset(kept.index(i) for i in table.text_columns if i in kept),
    )
