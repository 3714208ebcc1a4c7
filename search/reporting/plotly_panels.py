"""Panels as plotly figures: plain dictionaries, to be written as JSON into a page or a study."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.reporting.chart import BARS, POINTS, STEPS, Axis, Heat, Level, Panel, Series
from search.reporting.ticks import log_ticks

DIGITS = 6  # significant ones: more is noise, and bytes
_SCALE = ((0.0, "rgba(47,129,214,0)"), (1.0, "rgba(47,129,214,0.75)"))  # ink stays readable on it
_ROOM_FOR_LABELS = 60  # characters along the top of a matrix


def plain(text: str) -> str:
    """``text`` as plotly shows it letter by letter: it reads a little HTML."""
    return html.escape(text, quote=False)


def figure(panel: Panel | Heat) -> dict[str, Any]:
    """``{"data": [...], "layout": {...}}`` without colours of ground and text."""
    return _heat(panel) if isinstance(panel, Heat) else _panel(panel)


def _panel(panel: Panel) -> dict[str, Any]:
    bars = any(series.kind == BARS for series in panel.series)
    layout = {
        "height": panel.height,
        "xaxis": _axis(panel.x, [v for series in panel.series for v in series.x]),
        "yaxis": _axis(panel.y, [v for series in panel.series for v in series.y]),
        "shapes": [_line(level) for level in panel.levels],
        **({"barmode": "stack", "bargap": 0.15} if bars else {}),
    }
    return {"data": [_trace(series) for series in panel.series], "layout": layout}


def _axis(axis: Axis, values: Sequence[float | None] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": plain(axis.title)}, "automargin": True}
    if axis.log:
        ticks = log_ticks([v for v in values if v is not None])
        found |= {"type": "log"} | _ticks(ticks)
    if axis.from_zero:
        found["rangemode"] = "tozero"
    if axis.whole:
        found |= {"tickformat": ",d"}
    if axis.marks:
        found |= _ticks([(mark, f"{mark:g}") for mark in axis.marks])
    if axis.labels:
        found |= _ticks(list(enumerate(axis.labels)))
        found |= {"range": [-0.5, len(axis.labels) - 0.5], "zeroline": False}
    if axis.range:
        found["range"] = list(axis.range)
    return found


def _ticks(ticks: Sequence[tuple[float, str]]) -> dict[str, Any]:
    return {
        "tickmode": "array",
        "tickvals": [value for value, _ in ticks],
        "ticktext": [plain(text) for _, text in ticks],
    }


def _trace(series: Series) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "x": numbers(series.x),
        "y": numbers(series.y),
        "name": plain(series.name),
        "opacity": series.opacity,
        "hovertemplate": "%{text}<br>%{x}: %{y}<extra></extra>" if series.texts else None,
        "text": [plain(text) for text in series.texts] or None,
    }
    if series.kind == BARS:
        trace |= {"type": "bar", "marker": {"color": series.paint}}
        trace |= {"orientation": "h"} if series.horizontal else {}
        trace["hovertemplate"] = "%{x}: %{y}" + f"<extra>{plain(series.name)}</extra>"
        if series.horizontal:
            trace["hovertemplate"] = "%{x:.1f} %<extra></extra>"
    elif series.kind == POINTS:
        marker = {"color": series.paint, "size": series.size, "symbol": series.symbol}
        trace |= {"type": "scatter", "mode": "markers", "marker": marker}
    else:
        line = {"color": series.paint, "width": series.width, "dash": series.dash}
        line |= {"shape": "hv"} if series.kind == STEPS else {}
        trace |= {"type": "scatter", "mode": "lines", "line": line}
    return {key: value for key, value in trace.items() if value is not None}


def _line(level: Level) -> dict[str, Any]:
    line = {"color": level.paint, "width": 1.5, "dash": "dash"}
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": level.value, "y1": level.value}
    return {"type": "line", "line": line, "layer": "below", **ends}


def _heat(heat: Heat) -> dict[str, Any]:
    cell = f"{heat.y.title} %{{y}}, {heat.x.title} %{{x}}: %{{z:.2f}} %<extra></extra>"
    trace = {
        "type": "heatmap",
        "z": [numbers(row) for row in heat.values],
        "text": [list(row) for row in heat.texts],
        "texttemplate": "%{text}",
        "colorscale": [list(stop) for stop in _SCALE],
        "zmin": 0,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "%"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": cell,
    }
    crowded = sum(map(len, heat.x.labels)) > _ROOM_FOR_LABELS
    x = _axis(heat.x) | {"side": "top", "showgrid": False, "tickangle": -50 if crowded else 0}
    y = _axis(heat.y) | {"showgrid": False}
    y |= {"range": y["range"][::-1]} if "range" in y else {"autorange": "reversed"}
    margin = {"l": 56, "r": 14, "t": 60, "b": 12}
    layout = {"height": heat.height, "xaxis": x, "yaxis": y, "margin": margin}
    return {"data": [trace], "layout": layout}


def numbers(values: Sequence[float | None]) -> list[float | None]:
    """Numbers with few digits; what is no number becomes None."""
    return [None if v is None else _short(float(v)) for v in values]


def _short(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.{DIGITS}g}")


def as_script(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """JSON that may stand within a ``<script>`` whatever texts are in it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
