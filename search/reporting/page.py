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

from search.reporting.blocks import Chart, Section
from search.reporting.figures import as_json

TEMPLATES = Path(__file__).parent / "templates"


def make_page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    details: Mapping[str, Any] | None = None,
) -> str:
    """Return the page's HTML. All texts are escaped by the template. ``details`` of trials, as
    ``trial_details`` makes them, are for the panel that shows one."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    charts = [block for s in sections for block in s.blocks if isinstance(block, Chart)]
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        kind=lambda block: type(block).__name__,
        data_uri=_data_uri,
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        figures={f"{c.key}-{i}": as_json(f) for c in charts for i, f in enumerate(c.figures)},
        plotly=_packed(get_plotlyjs()),
        details=details,
    )


@cache
def _packed(script: str) -> str:
    """Return a script as the page unpacks it: plotly's is 4.8 MB, so 2.0."""
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
