"""The report as Markdown, for a repository or an issue: its texts and tables, without figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from search.reporting.blocks import (
    BASELINE,
    BEST,
    Banner,
    Block,
    Chart,
    Commands,
    Facts,
    Picture,
    Row,
    Section,
    Table,
    Tiles,
)

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")


def to_markdown(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the report's text."""
    parts = [f"# {escaped(title)}", escaped(subtitle)]
    for section in sections:
        blocks = [text for block in section.blocks if (text := _block(block))]
        if blocks:
            parts += [f"## {escaped(section.title)}", escaped(section.lead), *blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Banner):
        return "\n\n".join([f"**{escaped(block.text)}**", *map(escaped, block.notes)])
    if isinstance(block, Tiles):
        lines = [
            f"- {escaped(name)}: **{escaped(value)}**" + (f" ({escaped(word)})" if word else "")
            for name, value, word in block.items
        ]
        return "\n".join(lines)
    if isinstance(block, Commands):
        texts = [f"{escaped(label)}:\n\n{code_block(text)}" for label, text in block.items]
        return "\n\n".join(texts)
    if isinstance(block, Facts):
        rows = tuple(Row(item) for item in block.items)
        return _table(Table(block.title, ("", ""), rows, text_columns=frozenset({0, 1})))
    if isinstance(block, Table):
        return _table(block)
    assert isinstance(block, (Chart, Picture))
    return ""


def _table(table: Table) -> str:
    if table.brief is not None and len(table.rows) > table.brief:
        rest = table.rows[table.brief :]
        shown = (*table.rows[: table.brief], *(row for row in rest if row.mark == BASELINE))
        words = f"{len(shown)} of {len(table.rows)} rows. {table.caption}".rstrip()
        table = replace(table, rows=shown, caption=words)
    return f"### {escaped(table.title)}\n\n{table_text(table)}"


def escaped(text: str) -> str:
    """Return ``text`` as Markdown shows it letter by letter, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return ``text`` as inline code, whatever backquotes are in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"{fence}{text}{fence}"


def code_block(text: str) -> str:
    """Return ``text`` as an indented block, which nothing in it can close."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def table_text(table: Table) -> str:
    """Return the table and its caption, without the title."""
    aligned = ["---" if i in table.text_columns else "---:" for i in range(len(table.headings))]
    lines = [_line(table.headings), "|" + "|".join(aligned) + "|"]
    lines += [_line(row.cells, bold=row.mark == BEST) for row in table.rows]
    return "\n\n".join(part for part in ("\n".join(lines), escaped(table.caption)) if part)


def _line(cells: Sequence[str], bold: bool = False) -> str:
    texts = [escaped(cell) for cell in cells]
    shown = [f"**{text}**" if bold and text not in ("", "–") else text for text in texts]
    return "| " + " | ".join(shown) + " |"
