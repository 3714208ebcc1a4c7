"""Texts and tables as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from search.reporting.table import BEST, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def escaped(text: str) -> str:
    """``text`` as Markdown shows it letter by letter, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def table_text(table: Table) -> str:
    """The table and its caption, without the title."""
    aligned = ["---" if i in table.text_columns else "---:" for i in range(len(table.headings))]
    lines = [_line(table.headings), "|" + "|".join(aligned) + "|"]
    lines += [_line(row.cells, bold=row.mark == BEST) for row in table.rows]
    return "\n\n".join(part for part in ("\n".join(lines), escaped(table.caption)) if part)


def _line(cells: Sequence[str], bold: bool = False) -> str:
    texts = [escaped(cell) for cell in cells]
    shown = [f"**{text}**" if bold and text not in ("", "–") else text for text in texts]
    return "| " + " | ".join(shown) + " |"
