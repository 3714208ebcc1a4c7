"""One self-contained HTML page, with plotly's script in it: it opens offline."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from search.reporting.blocks import Block, Facts, Picture, Section, Table, Tiles
from search.reporting.chart import BARS, POINTS, Chart, Series
from search.reporting.plotly_figures import as_script, figure

TEMPLATES = Path(__file__).parent / "templates"
_KINDS = {
    Table: "table",
    Chart: "chart",
    Facts: "facts",
    Tiles: "tiles",
    Picture: "picture",
}


def make_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The page's HTML. All texts are escaped by the template."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    figures: dict[str, Any] = {}
    for section in sections:
        for block in section.blocks:
            figures |= _figures(block)
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        kind=lambda block: _KINDS[type(block)],
        swatch=_swatch,
        data_uri=_data_uri,
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        figures=Markup(as_script(figures)),
        style=Markup(_read("page.css")),
        script=Markup(_read("page.js")),
        plotly=Markup(get_plotlyjs()),
    )


def _swatch(series: Series) -> str:
    return {POINTS: "dot", BARS: "box"}.get(series.kind, series.dash)


def _figures(block: Block) -> dict[str, Any]:
    """Element id → plotly figure."""
    if isinstance(block, Chart):
        return {f"{block.key}-{i}": figure(panel) for i, panel in enumerate(block.panels)}
    return {}


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
