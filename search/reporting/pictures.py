"""Charts as PNG files, drawn by matplotlib: for Markdown and for the dashboard."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from matplotlib.typing import LineStyleType
from PIL import Image

from search.reporting.chart import (
    BARS,
    DASHED,
    DOTTED,
    POINTS,
    SOLID,
    STEPS,
    Chart,
    Heat,
    Panel,
    Series,
)
from search.reporting.heat_picture import INK, draw_heat, literal, name_axis
from search.reporting.ticks import log_ticks

DPI = 100
TONES = 200
PIXELS = 96  # a panel's height is in CSS pixels
SOFT, GRID = "#5b6774", "#e9ecf0"
_DASHES: Mapping[str, LineStyleType] = {SOLID: "-", DASHED: "--", DOTTED: ":"}
_MARKERS = {"circle": "o", "x": "x"}


def draw_picture(chart: Chart, file: Path | IO[bytes]) -> None:
    """``chart`` as a PNG of 1,000 pixels' width."""
    most = 1 if chart.wide else 3 if chart.small else 2
    columns = min(most, len(chart.panels))
    rows = math.ceil(len(chart.panels) / columns)
    heights = [
        max(p.height for p in chart.panels[i * columns : (i + 1) * columns]) / PIXELS
        for i in range(rows)
    ]
    figure = Figure(figsize=(10, sum(heights) + 0.5), layout="constrained", dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    grid = figure.add_gridspec(rows, columns, height_ratios=heights)
    for i, panel in enumerate(chart.panels):
        axes = figure.add_subplot(grid[i // columns, i % columns])
        _dress(axes, panel)
        if isinstance(panel, Heat):
            draw_heat(axes, panel)
        else:
            _draw(axes, panel)
    if chart.legend:
        handles = [_handle(series) for series in chart.legend]
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=6,
            frameon=False,
            fontsize=9,
            labelcolor=SOFT,
        )
    with warnings.catch_warnings():  # a class name in a script that the font has not
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = picture.quantize(TONES, dither=Image.Dither.NONE)  # a third of the bytes
    few.save(file, "PNG", optimize=True)


def _dress(axes: Axes, panel: Panel | Heat) -> None:
    axes.set_title(literal(panel.title), loc="left", fontsize=10, color=SOFT, fontweight="bold")
    axes.set_xlabel(literal(panel.x.title), fontsize=9, color=INK)
    axes.set_ylabel(literal(panel.y.title), fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[:].set_visible(False)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    base: dict[float, float] = {}
    for series in panel.series:
        if series.kind == BARS:
            _bars(axes, series, base)
        elif series.kind == POINTS:
            marker = _MARKERS.get(series.symbol, "o")
            size = series.size**2 * 0.55
            axes.scatter(
                _floats(series.x),
                _floats(series.y),
                s=size,
                color=series.paint,
                marker=marker,
                alpha=series.opacity,
                linewidths=1.0 if marker == "x" else 0,
                zorder=3,
            )
        else:
            axes.plot(
                _floats(series.x),
                _floats(series.y),
                color=series.paint,
                linewidth=series.width * 0.8,
                linestyle=_DASHES[series.dash],
                alpha=series.opacity,
                drawstyle="steps-post" if series.kind == STEPS else "default",
                solid_capstyle="butt",
            )
    for level in panel.levels:
        axes.axhline(level.value, color=level.paint, linewidth=1.2, linestyle="--")
    _scale(axes, panel)


def _bars(axes: Axes, series: Series, base: dict[float, float]) -> None:
    x, y = _floats(series.x), _floats(series.y)
    if series.horizontal:
        axes.barh(y, x, color=series.paint, alpha=series.opacity, height=0.75)
        return
    bottoms = [base.get(position, 0.0) for position in x]
    axes.bar(x, y, bottom=bottoms, color=series.paint, alpha=series.opacity, width=0.85)
    base.update({at: low + high for at, low, high in zip(x, bottoms, y, strict=True)})


def _scale(axes: Axes, panel: Panel) -> None:
    for name, axis, values in (
        ("x", panel.x, [v for s in panel.series for v in s.x]),
        ("y", panel.y, [v for s in panel.series for v in s.y]),
    ):
        side = axes.xaxis if name == "x" else axes.yaxis
        limits = axes.set_xlim if name == "x" else axes.set_ylim
        if axis.log:
            (axes.set_xscale if name == "x" else axes.set_yscale)("log")
            ticks = log_ticks([v for v in values if v is not None])
            side.set_major_locator(FixedLocator([value for value, _ in ticks]))
            side.set_minor_locator(NullLocator())
            side.set_ticklabels([label for _, label in ticks])
        elif axis.labels:
            name_axis(axes, name, axis)
        elif axis.marks:
            side.set_major_locator(FixedLocator(axis.marks))
        elif axis.whole:
            side.set_major_locator(MaxNLocator(integer=True))
        if axis.range:
            limits(*axis.range)
        elif axis.from_zero:
            limits(0, None)


def _handle(series: Series) -> Line2D | Patch:
    label = literal(series.name)
    if series.kind == BARS:
        return Patch(color=series.paint, alpha=series.opacity, label=label)
    if series.kind == POINTS:
        return Line2D([], [], color=series.paint, marker="o", linestyle="", label=label)
    return Line2D([], [], color=series.paint, linestyle=_DASHES[series.dash], label=label)


def _floats(values: object) -> list[float]:
    return [math.nan if v is None else float(v) for v in values]  # type: ignore[attr-defined]
