"""The report as Markdown, with PNG pictures beside it: for a repository or an issue."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from search.reporting.chart import Chart
from search.reporting.markdown_text import escaped, table_text
from search.reporting.pictures import draw_picture
from search.reporting.section import Block, Facts, Interactive, Picture, Section, Tiles
from search.reporting.table import Row, Table

PICTURES = "pictures"


def write_markdown(
    title: str, subtitle: str, sections: Sequence[Section], folder: Path
) -> list[Path]:
    """``report.md`` and the pictures that it shows, in ``pictures/``."""
    pictures = folder / PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [f"# {escaped(title)}", escaped(subtitle)]
    for section in sections:
        parts += [f"## {escaped(section.title)}", escaped(section.lead)]
        parts += [_block(block, pictures) for block in section.blocks]
    path = folder / "report.md"
    path.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return [path]


def _block(block: Block, pictures: Path) -> str:
    if isinstance(block, Tiles):
        lines = [
            f"- {escaped(name)}: **{escaped(value)}**" + (f" ({escaped(word)})" if word else "")
            for name, value, word in block.items
        ]
        return "\n".join(lines)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Facts):
        rows = tuple(Row(item) for item in block.items)
        return _table(Table(block.title, ("", ""), rows, text_columns=frozenset({0, 1})))
    if isinstance(block, Chart):
        draw_picture(block, pictures / f"{block.key}.png")
        return _picture(block.title, block.key, block.caption)
    if isinstance(block, Picture):
        shutil.copyfile(block.path, pictures / f"{block.key}.png")
        return _picture(block.title, block.key)
    assert isinstance(block, Interactive)
    return ""


def _picture(title: str, key: str, caption: str = "") -> str:
    parts = [f"### {escaped(title)}", f"![{escaped(title)}]({PICTURES}/{key}.png)"]
    return "\n\n".join([*parts, escaped(caption)] if caption else parts)


def _table(table: Table) -> str:
    parts = [f"### {escaped(table.title)}", table_text(table)]
    return "\n\n".join(parts)
