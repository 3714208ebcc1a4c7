"""Panels as plotly figures: plain dictionaries, to be written as JSON into a page or a study."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import Any

from search.reporting.chart import (
    BARS,
    COLOURS,
    POINTS,
    REFERENCE,
    STEPS,
    Axis,
    Heatmap,
    OptunaPlot,
    Panel,
    Series,
)

MANY_DECADES = 300  # from there on a log axis names decades alone
DIGITS = 6  # significant ones: more is noise, and bytes
_SCALE = ((0.0, "rgba(47,129,214,0)"), (1.0, "rgba(47,129,214,0.75)"))  # ink stays readable on it
_ROOM_FOR_LABELS = 60  # characters along the top of a matrix
_THE_PAGES_OWN = ("title", "template", "width", "plot_bgcolor")  # of a layout


def plain(text: str) -> str:
    """``text`` as plotly shows it letter by letter: it reads a little HTML."""
    return html.escape(text, quote=False)


def figure(panel: Panel | Heatmap | OptunaPlot) -> dict[str, Any]:
    """``{"data": [...], "layout": {...}}`` without colours of ground and text. The number of a
    trace's trial is its ``meta``; those of its points' trials are its ``customdata``."""
    if isinstance(panel, OptunaPlot):
        return _optuna(panel)
    return _heatmap(panel) if isinstance(panel, Heatmap) else _panel(panel)


def _optuna(plot: OptunaPlot) -> dict[str, Any]:
    from optuna import visualization

    drawn = getattr(visualization, plot.name)(plot.study, **plot.options)
    found = json.loads(drawn.to_json())
    layout = {k: v for k, v in found["layout"].items() if k not in _THE_PAGES_OWN}
    for axis in ("xaxis", "yaxis"):
        layout[axis] = layout.get(axis, {}) | {"automargin": True}
    _name_trials(plot, found["data"])
    for trace in found["data"]:
        if plot.name == "plot_slice":
            trace["marker"]["showscale"] = False  # wider than a small panel
        if plot.name == "plot_optimization_history" and trace["mode"] == "lines":
            trace["line"] = {"shape": "hv"}  # the best so far
            trace["hoverinfo"] = "skip"  # the points under it are trials
    return {"data": found["data"], "layout": layout | {"height": plot.height}}


def _name_trials(plot: OptunaPlot, traces: list[dict[str, Any]]) -> None:
    """Puts the numbers of the trials that Optuna drew where our own traces have them."""
    if plot.name == "plot_parallel_coordinate":
        lines = (trace for trace in traces if "customdata" in trace)
        for trace, trial in zip(lines, plot.study.get_trials(deepcopy=False), strict=True):
            trace["meta"] = trial.number
        return
    for trace in traces:
        if plot.name == "plot_slice" and trace["name"] == "Feasible Trial":
            trace["customdata"] = trace["marker"]["color"]
        if plot.name == "plot_optimization_history" and trace["mode"] == "markers":
            trace["customdata"] = trace["x"]
        if plot.name == "plot_timeline":
            trace["customdata"] = trace["y"]


def _panel(panel: Panel) -> dict[str, Any]:
    bars = any(series.kind == BARS for series in panel.series)
    layout = {
        "height": panel.height,
        "xaxis": _axis(panel.x, [v for series in panel.series for v in series.x]),
        "yaxis": _axis(panel.y, [v for series in panel.series for v in series.y]),
        "shapes": [] if panel.reference is None else [_across(panel.reference[0])],
        **({"barmode": "stack", "bargap": 0.15} if bars else {}),
    }
    return {"data": [_trace(series) for series in panel.series], "layout": layout}


def _axis(axis: Axis, values: Sequence[float | None] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": plain(axis.title)}, "automargin": True}
    if axis.log:
        shown = [v for v in values if v is not None and v > 0 and math.isfinite(v)]
        wide = bool(shown) and max(shown) > MANY_DECADES * min(shown)
        found |= {"type": "log", "dtick": 1 if wide else "D2", "minorloglabels": "complete"}
        found["exponentformat"] = "power" if wide else "none"
    if axis.from_zero:
        found["rangemode"] = "tozero"
    if axis.whole:
        found |= {"tickformat": ",d"}
    if axis.labels:
        positions, names = list(range(len(axis.labels))), [plain(name) for name in axis.labels]
        found |= {"tickmode": "array", "tickvals": positions, "ticktext": names}
        found |= {"range": [-0.5, len(names) - 0.5], "zeroline": False}
    if axis.range:
        found["range"] = list(axis.range)
    return found


def _trace(series: Series) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "x": numbers(series.x),
        "y": numbers(series.y),
        "name": plain(series.name),
        "opacity": series.opacity,
        "hovertemplate": _hover(series),
        "text": [plain(text) for text in series.texts] or None,
        ("meta" if isinstance(series.trials, int) else "customdata"): series.trials,
    }
    if series.kind == BARS:
        trace |= {"type": "bar", "marker": {"color": series.paint}}
        trace["hovertemplate"] = "%{x}: %{y}" + f"<extra>{plain(series.name)}</extra>"
    elif series.kind == POINTS:
        marker = {"color": series.paint, "size": series.size, "symbol": series.symbol}
        trace |= {"type": "scatter", "mode": "markers", "marker": marker}
    else:
        line = {"color": series.paint, "width": series.width, "dash": series.dash}
        line |= {"shape": "hv"} if series.kind == STEPS else {}
        trace |= {"type": "scatter", "mode": "lines", "line": line}
    return {key: value for key, value in trace.items() if value is not None}


def _hover(series: Series) -> str | None:
    """The words over a point; None: plotly's own."""
    if not series.texts and not isinstance(series.trials, Sequence):
        return None
    words = "%{text}" if series.texts else "trial %{customdata}"
    return words + "<br>%{x}: %{y}<extra></extra>"


def _across(value: float) -> dict[str, Any]:
    line = {"color": COLOURS[REFERENCE], "width": 1.5, "dash": "dash"}
    ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": value, "y1": value}
    return {"type": "line", "line": line, "layer": "below", **ends}


def _heatmap(heatmap: Heatmap) -> dict[str, Any]:
    cell = f"{heatmap.y.title} %{{y}}, {heatmap.x.title} %{{x}}: %{{z:.2f}} %<extra></extra>"
    trace = {
        "type": "heatmap",
        "z": [numbers(row) for row in heatmap.values],
        "text": [list(row) for row in heatmap.texts],
        "texttemplate": "%{text}",
        "colorscale": [list(stop) for stop in _SCALE],
        "zmin": 0,
        "zmax": 100,
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"title": {"text": "%"}, "thickness": 12, "outlinewidth": 0},
        "hovertemplate": cell,
    }
    crowded = sum(map(len, heatmap.x.labels)) > _ROOM_FOR_LABELS
    x = _axis(heatmap.x) | {"side": "top", "showgrid": False, "tickangle": -50 if crowded else 0}
    y = _axis(heatmap.y) | {"showgrid": False}
    y |= {"range": y["range"][::-1]} if "range" in y else {"autorange": "reversed"}
    margin = {"l": 56, "r": 14, "t": 60, "b": 12}
    layout = {"height": heatmap.height, "xaxis": x, "yaxis": y, "margin": margin}
    return {"data": [trace], "layout": layout}


def numbers(values: Sequence[float | None]) -> list[float | None]:
    """Numbers with few digits; what is no number becomes None."""
    return [None if v is None else _short(float(v)) for v in values]


def _short(value: float) -> float | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.{DIGITS}g}")
