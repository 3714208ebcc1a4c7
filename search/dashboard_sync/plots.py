"""The page's figures that the dashboard has not, as its custom plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from optuna.study import Study
from optuna_dashboard import save_plotly_graph_object

from search.reporting.chart import Chart
from search.reporting.plotly_figures import figure, plain
from search.reporting.sections.cost import cost_chart
from search.reporting.sections.curves import curves_chart
from search.reporting.sections.history import rung_chart
from search.reporting.study_data import StudyData

_LOOK: Mapping[str, Any] = {
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "font": {"color": "#1c2530", "size": 12},
    "showlegend": True,
    "legend": {"orientation": "h", "y": -0.22},
    "margin": {"l": 60, "r": 20, "t": 50, "b": 60},
    "hovermode": "closest",
}
_GRID = {"gridcolor": "#e9ecf0", "linecolor": "#e0e4e9", "zerolinecolor": "#e0e4e9"}


def plots_of(data: StudyData) -> dict[str, go.Figure]:
    """Id → figure, of what there is to show."""
    found: dict[str, go.Figure] = {}
    for chart in (curves_chart(data), rung_chart(data), cost_chart(data)):
        found |= _figures(chart) if chart is not None else {}
    return found


def _figures(chart: Chart) -> dict[str, go.Figure]:
    return {
        f"{chart.key}-{i}": _dressed(figure(panel), panel.title or chart.title)
        for i, panel in enumerate(chart.panels)
    }


def _dressed(parts: dict[str, Any], title: str) -> go.Figure:
    """On white, with a legend of its own: the dashboard brings neither."""
    layout = {**parts["layout"], **_LOOK, "title": _title(title)}
    layout.pop("height")
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {**layout[axis], **_GRID}
    traces = [{**trace, "showlegend": bool(trace["name"])} for trace in parts["data"]]
    empty = go.layout.Template()  # plotly's own is 7 kB of colours in each plot
    return go.Figure({"data": traces, "layout": {**layout, "template": empty}})


def _title(text: str) -> dict[str, Any]:
    return {"text": plain(text), "font": {"size": 16}, "x": 0.02, "xanchor": "left"}


def save_plots(study: Study, plots: Mapping[str, go.Figure], saved: dict[str, str]) -> None:
    """Writes what differs from ``saved``, id → JSON, and notes it there."""
    for key, plot in plots.items():
        text = json.dumps(plot.to_plotly_json(), sort_keys=True, default=str)
        if saved.get(key) != text:
            save_plotly_graph_object(study, plot, graph_object_id=key)
            saved[key] = text
