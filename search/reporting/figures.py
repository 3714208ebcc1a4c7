"""Plotly figures in one look, for the page and the dashboard.

Colours go by role, so that the best trial has one colour in every figure. The number of a trace's
trial is its ``meta``; those of its points' trials are its ``customdata``.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import plotly.graph_objects as go

BEST, BASELINE, REFERENCE = "best", "baseline", "reference"
COMPLETE, PRUNED, OTHER = "complete", "pruned", "other"
# Told apart by colour-blind eyes and on both a white and a dark ground.
COLOURS = {
    BEST: "#2f81d6",
    BASELINE: "#e0751a",
    COMPLETE: "#2a9d7a",
    PRUNED: "#8a939d",
    REFERENCE: "#8f7d69",
    OTHER: "#7b8794",
}
SERIES_COLOURS = ("#2f81d6", "#e0751a", "#2a9d7a", "#a463c9", "#d64550", "#b8961f", "#4ba3a8")
SYMBOLS = {PRUNED: "x", BASELINE: "diamond", BEST: "star"}
FEW_DECADES = 2.3  # up to there a log axis names 2 and 5 too
DIGITS = 6  # significant ones: more is noise, and bytes
LEGEND = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "itemclick": False}


def plain(text: str) -> str:
    """Return ``text`` as plotly shows it letter by letter: it reads a little HTML."""
    return html.escape(text, quote=False)


def new_figure(title: str, x: str, y: str, height: int = 320) -> go.Figure:
    """Return an empty figure with titled axes, without colours of ground and text."""
    return go.Figure(
        layout={
            "title": {"text": plain(title)},
            "height": height,
            "showlegend": False,
            "legend": LEGEND,
            "xaxis": {"title": {"text": plain(x)}, "automargin": True},
            "yaxis": {"title": {"text": plain(y)}, "automargin": True},
        }
    )


def log_ticks(values: Iterable[float | None]) -> dict[str, Any]:
    """Return the options of a log axis on which ``values`` lie, with ticks at 1, 2, 5 or at
    decades."""
    shown = [math.log10(v) for v in values if v is not None and 0 < v < math.inf]
    if not shown:
        return {"type": "log"}
    low, high = min(shown), max(shown)
    steps = (1, 2, 5) if high - low < FEW_DECADES else (1,)
    exponents = range(math.floor(low) - 1, math.ceil(high) + 2)
    ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def whole_ticks(longest: int) -> dict[str, Any]:
    """Return the options of an axis of epochs from 1 to ``longest``: no tick is between two."""
    return {"tick0": 0, "dtick": math.ceil(longest / 10)} if longest <= 20 else {}


def labelled_axis(labels: Sequence[str]) -> dict[str, Any]:
    """Return the options of an axis that has ``labels`` at 0, 1, 2, …"""
    return {
        "tickvals": list(range(len(labels))),
        "ticktext": [plain(label) for label in labels],
        "range": [-0.5, len(labels) - 0.5],
        "zeroline": False,
    }


def add_line(
    figure: go.Figure,
    x: Sequence[float | None],
    y: Sequence[float | None],
    name: str = "",
    role: str = OTHER,
    *,
    width: float = 2.0,
    dash: str = "solid",
    shape: str = "linear",
    colour: str = "",
    opacity: float = 1.0,
    trials: Sequence[int | None] | int | None = None,
) -> None:
    """Draw points in order; None in ``y`` lifts the pen. ``trials``: the number of each point's
    trial, or the one that all points belong to."""
    paint = colour or COLOURS[role]
    alone = sum(value is not None for value in y) == 1  # a line of one point is not seen
    of_one = isinstance(trials, int)
    figure.add_scatter(
        x=list(x),
        y=list(y),
        name=plain(name),
        showlegend=bool(name),
        mode="lines+markers" if alone else "lines",
        line={"color": paint, "width": width, "dash": dash, "shape": shape},
        opacity=opacity,
        meta=trials if of_one else None,
        customdata=None if of_one else trials,
        hovertemplate=_hover(figure, f"trial {trials}" if of_one else "", bool(trials)),
    )


def add_points(
    figure: go.Figure,
    x: Sequence[float | str | None],
    y: Sequence[float | None],
    name: str = "",
    role: str = OTHER,
    *,
    size: float = 7.0,
    opacity: float = 1.0,
    trials: Sequence[int | None] | None = None,
    texts: Sequence[str] = (),
) -> None:
    """Draw points; pruned trials, the baseline and the best have symbols of their own. ``texts``
    appear on hovering."""
    marker = {"color": COLOURS[role], "size": size, "symbol": SYMBOLS.get(role, "circle")}
    figure.add_scatter(
        x=list(x),
        y=list(y),
        name=plain(name),
        showlegend=bool(name),
        mode="markers",
        marker=marker,
        opacity=opacity,
        customdata=trials,
        text=[plain(text) for text in texts] or None,
        hovertemplate=_hover(figure, "%{text}" if texts else "", trials is not None),
    )


def _hover(figure: go.Figure, words: str, numbered: bool) -> str:
    """Return what hovering says: whose the point is, and both figures with their units."""
    x, y = (axis.title.text for axis in (figure.layout.xaxis, figure.layout.yaxis))
    first = words or ("trial %{customdata}" if numbered else "")
    parts = [first, f"{x}: %{{x}}" if x else "%{x}", f"{y}: %{{y}}"]
    return "<br>".join(filter(None, parts)) + "<extra></extra>"


def add_reference(figure: go.Figure, value: float, name: str) -> None:
    """Draw a dashed line across at ``value``."""
    line = {"color": COLOURS[REFERENCE], "width": 1.5, "dash": "dash"}
    figure.add_hline(y=value, line=line, layer="below")
    figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=plain(name))


def as_json(figure: go.Figure) -> dict[str, Any]:
    """Return ``figure`` as JSON holds it, without plotly's template of 7 kB; numbers have few
    digits, and what is no number is None."""
    found = json.loads(figure.to_json())
    found["layout"].pop("template", None)
    return _shortened(found)


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return short(value) if isinstance(value, float) else value


def short(value: float | None) -> float | None:
    """Return ``value`` with few digits; None where it is no number."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(f"{value:.{DIGITS}g}")
