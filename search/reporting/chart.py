"""A figure as data: drawn by plotly on the page and by matplotlib for pictures, from one source.

What Optuna draws, Optuna draws (``OptunaPlot``); the rest is made of a few kinds of series.
Colours go by role, so that the best trial has one colour in every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.study import Study

BEST, RECIPE, REFERENCE = "best", "recipe", "reference"
COMPLETE, PRUNED, OTHER = "complete", "pruned", "other"
# Told apart by colour-blind eyes and on both a white and a dark ground.
COLOURS = {
    BEST: "#2f81d6",
    RECIPE: "#e0751a",
    COMPLETE: "#2a9d7a",
    PRUNED: "#9aa3ad",
    REFERENCE: "#7a6a58",
    OTHER: "#7b8794",
}
SERIES_COLOURS = ("#2f81d6", "#e0751a", "#2a9d7a", "#a463c9", "#d64550", "#b8961f", "#4ba3a8")

LINES, POINTS, BARS, STEPS = "lines", "points", "bars", "steps"
SOLID, DASHED, DOTTED = "solid", "dash", "dot"


@dataclass(frozen=True)
class Axis:
    """What is measured, with its unit. ``labels`` are written at 0, 1, 2, …; ``range`` is all that
    is shown."""

    title: str
    log: bool = False
    whole: bool = False
    from_zero: bool = False
    labels: tuple[str, ...] = ()
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """Points in order; None in ``y`` lifts the pen. ``texts`` appear on hovering. ``trials``: the
    number of each point's trial, or the one that all points belong to."""

    name: str
    x: Sequence[float | None]
    y: Sequence[float | None]
    role: str = OTHER
    kind: str = LINES
    dash: str = SOLID
    width: float = 2.0
    size: float = 7.0
    symbol: str = "circle"
    opacity: float = 1.0
    texts: Sequence[str] = ()
    colour: str = ""
    trials: Sequence[int | None] | int | None = None

    @property
    def paint(self) -> str:
        return self.colour or COLOURS[self.role]


@dataclass(frozen=True)
class Panel:
    """One pair of axes and what is drawn in it; ``reference`` is a horizontal line across, with
    its name."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    reference: tuple[float, str] | None = None
    height: int = 320


@dataclass(frozen=True)
class Heatmap:
    """A matrix of shares in %, row by row; ``texts`` in the cells where there is room."""

    title: str
    x: Axis
    y: Axis
    values: tuple[tuple[float, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    height: int = 460


@dataclass(frozen=True)
class OptunaPlot:
    """``optuna.visualization``'s function ``name`` on ``study``; its matplotlib backend has the
    same functions."""

    title: str
    name: str
    study: Study
    options: Mapping[str, Any] = field(default_factory=dict)
    height: int = 320


@dataclass(frozen=True)
class Chart:
    """Panels side by side where there is room. ``key`` is safe as a file name and as an id."""

    key: str
    title: str
    panels: tuple[Panel | Heatmap | OptunaPlot, ...]
    caption: str = ""
    legend: tuple[Series, ...] = ()
    wide: bool = False
    small: bool = False


def chart(
    key: str,
    title: str,
    panels: Sequence[Panel | Heatmap | OptunaPlot],
    caption: str = "",
    wide: bool = False,
    small: bool = False,
) -> Chart | None:
    """A chart of the panels that have something in them, with the legend that they share; None
    where none has. ``wide`` panels have a row each, ``small`` ones stand three in a row."""
    shown = tuple(p for p in panels if not isinstance(p, Panel) or p.series)
    if not shown:
        return None
    return Chart(key, title, shown, caption, _legend(shown), wide, small)


def _legend(panels: Sequence[Panel | Heatmap | OptunaPlot]) -> tuple[Series, ...]:
    """The named series of all panels, each name once."""
    found: dict[str, Series] = {}
    for panel in panels:
        if isinstance(panel, Panel):
            for series in panel.series:
                found.setdefault(series.name, series)
            if panel.reference is not None:
                name = panel.reference[1]
                found.setdefault(name, Series(name, (), (), REFERENCE, dash=DASHED))
    return tuple(series for name, series in found.items() if name)
