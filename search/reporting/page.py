"""One self-contained HTML page, with plotly's script in it, compressed: it opens offline."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from search.reporting.blocks import Section
from search.reporting.chart import BARS, POINTS, Chart, Series
from search.reporting.plotly_figures import figure

TEMPLATES = Path(__file__).parent / "templates"


def make_page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    details: Mapping[str, Any] | None = None,
) -> str:
    """The page's HTML. All texts are escaped by the template. ``details`` of trials, as
    ``trial_details`` makes them, are for the panel that shows one."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        kind=lambda block: type(block).__name__,
        swatch=_swatch,
        data_uri=_data_uri,
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        figures=_figures(sections),
        plotly=_packed(get_plotlyjs()),
        details=details,
    )


@cache
def _packed(script: str) -> str:
    """A script as the page unpacks it: plotly's is 4.8 MB, so 2.0."""
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _swatch(series: Series) -> str:
    return {POINTS: "dot", BARS: "box"}.get(series.kind, series.dash)


def _figures(sections: Sequence[Section]) -> dict[str, Any]:
    """Element id → plotly figure."""
    charts = [block for s in sections for block in s.blocks if isinstance(block, Chart)]
    return {f"{c.key}-{i}": figure(panel) for c in charts for i, panel in enumerate(c.panels)}


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
