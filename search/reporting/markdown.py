"""The report as Markdown, with PNG pictures beside it: for a repository or an issue."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from search.reporting.blocks import (
    BEST,
    RECIPE,
    Block,
    Facts,
    Picture,
    Row,
    Section,
    Table,
    Tiles,
)
from search.reporting.chart import Chart, OptunaPlot
from search.reporting.pictures import draw_optuna_plot, draw_picture

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")
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
        return _shown(block.title, _drawn(block, pictures), block.caption)
    assert isinstance(block, Picture)
    shutil.copyfile(block.path, pictures / f"{block.key}.png")
    return _shown(block.title, [block.key])


def _drawn(chart: Chart, pictures: Path) -> list[str]:
    """The names of the pictures of ``chart``: one of Optuna's for each panel, one of all ours."""
    keys = []
    for i, panel in enumerate(chart.panels):
        if isinstance(panel, OptunaPlot):
            keys.append(f"{chart.key}-{i}")
            draw_optuna_plot(panel, pictures / f"{keys[-1]}.png")
    if not keys:
        keys = [chart.key]
        draw_picture(chart, pictures / f"{chart.key}.png")
    return keys


def _shown(title: str, keys: Sequence[str], caption: str = "") -> str:
    pictures = " ".join(f"![{escaped(title)}]({PICTURES}/{key}.png)" for key in keys)
    parts = [f"### {escaped(title)}", pictures, escaped(caption)]
    return "\n\n".join(part for part in parts if part)


def _table(table: Table) -> str:
    if table.brief is not None and len(table.rows) > table.brief:
        rest = table.rows[table.brief :]
        shown = (*table.rows[: table.brief], *(row for row in rest if row.mark == RECIPE))
        words = f"{len(shown)} of {len(table.rows)} rows. {table.caption}".rstrip()
        table = replace(table, rows=shown, caption=words)
    parts = [f"### {escaped(table.title)}", table_text(table)]
    return "\n\n".join(parts)


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
