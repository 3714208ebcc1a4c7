"""A figure as data: drawn by plotly on the page and by matplotlib for pictures, from one source.

Colours go by role, so that the best trial has one colour in every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BEST, RECIPE, COMPLETE, PRUNED, FAILED, RUNNING, PUBLISHED, OTHER = (
    "best",
    "recipe",
    "complete",
    "pruned",
    "failed",
    "running",
    "published",
    "other",
)
# Told apart by colour-blind eyes and on both a white and a dark ground.
COLOURS = {
    BEST: "#2f81d6",
    RECIPE: "#e0751a",
    COMPLETE: "#2a9d7a",
    PRUNED: "#9aa3ad",
    FAILED: "#d64550",
    RUNNING: "#a463c9",
    PUBLISHED: "#7a6a58",
    OTHER: "#7b8794",
}
SERIES_COLOURS = ("#2f81d6", "#e0751a", "#2a9d7a", "#a463c9", "#d64550", "#b8961f", "#4ba3a8")

LINES, POINTS, BARS, STEPS = "lines", "points", "bars", "steps"
SOLID, DASHED, DOTTED = "solid", "dash", "dot"


@dataclass(frozen=True)
class Axis:
    """What is measured, with its unit. ``labels`` make it an axis of names; ``marks`` are the
    only numbers to be written, ``range`` the only ones to be shown."""

    title: str
    log: bool = False
    whole: bool = False
    from_zero: bool = False
    labels: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """Points in order; None in ``y`` lifts the pen. ``texts`` appear on hovering.

    On an axis of names, ``y`` (or ``x``) are the positions of the names.
    """

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
    horizontal: bool = False

    @property
    def paint(self) -> str:
        return self.colour or COLOURS[self.role]


@dataclass(frozen=True)
class Level:
    """A horizontal line across, such as a published figure."""

    value: float
    name: str
    role: str = PUBLISHED

    @property
    def paint(self) -> str:
        return COLOURS[self.role]


@dataclass(frozen=True)
class Panel:
    """One pair of axes and what is drawn in it."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    levels: tuple[Level, ...] = ()
    height: int = 320


@dataclass(frozen=True)
class Heat:
    """A matrix of shares in %, row by row; ``texts`` in the cells where there is room."""

    title: str
    x: Axis
    y: Axis
    values: tuple[tuple[float, ...], ...]
    texts: tuple[tuple[str, ...], ...]
    height: int = 460


@dataclass(frozen=True)
class Chart:
    """Panels side by side where there is room. ``key`` is safe as a file name and as an id."""

    key: str
    title: str
    panels: tuple[Panel | Heat, ...]
    caption: str = ""
    legend: tuple[Series, ...] = ()
    wide: bool = False
    small: bool = False


def legend_of(panels: Sequence[Panel | Heat]) -> tuple[Series, ...]:
    """The named series of all panels, each name once."""
    found: dict[str, Series] = {}
    for panel in (p for p in panels if isinstance(p, Panel)):
        lines = [Series(v.name, (), (), v.role, dash=DASHED) for v in panel.levels]
        for series in (*panel.series, *lines):
            if series.name:
                found.setdefault(series.name, series)
    return tuple(found.values())


def chart(
    key: str,
    title: str,
    panels: Sequence[Panel | Heat],
    caption: str = "",
    wide: bool = False,
    small: bool = False,
) -> Chart | None:
    """A chart of the panels that have something in them, with the legend that they share; None
    where none has. ``small`` panels stand three in a row."""
    shown = tuple(panel for panel in panels if isinstance(panel, Heat) or panel.series)
    if not shown:
        return None
    return Chart(key, title, shown, caption, legend_of(shown), wide, small)
