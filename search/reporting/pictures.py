"""Charts as PNG files, drawn by matplotlib: for Markdown and for the dashboard."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import LineStyleType
from PIL import Image

from search.reporting.chart import (
    BARS,
    COLOURS,
    DASHED,
    DOTTED,
    POINTS,
    REFERENCE,
    SOLID,
    STEPS,
    Axis,
    Chart,
    Heatmap,
    OptunaPlot,
    Panel,
    Series,
)

DPI = 100
TONES = 200
PIXELS = 96  # a panel's height is in CSS pixels
INK, SOFT, GRID = "#1c2530", "#5b6774", "#e9ecf0"
_DASHES: Mapping[str, LineStyleType] = {SOLID: "-", DASHED: "--", DOTTED: ":"}


def draw_picture(chart: Chart, file: Path | IO[bytes]) -> None:
    """The panels of ``chart`` that are not Optuna's as one PNG of 1,000 pixels' width."""
    panels = [panel for panel in chart.panels if not isinstance(panel, OptunaPlot)]
    columns = min(1 if chart.wide else 2, len(panels))
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [max(panel.height for panel in row) / PIXELS for row in rows]
    figure = Figure(figsize=(10, sum(heights) + 0.5), layout="constrained", dpi=DPI)
    grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
    for i, panel in enumerate(panels):
        axes = figure.add_subplot(grid[i // columns, i % columns])
        _dress(axes, panel)
        if isinstance(panel, Heatmap):
            _draw_heatmap(axes, panel)
        else:
            _draw(axes, panel)
    if chart.legend:
        look = {"ncols": 6, "frameon": False, "fontsize": 9, "labelcolor": SOFT}
        handles = [_handle(series) for series in chart.legend]
        figure.legend(handles=handles, loc="outside upper left", **look)
    _save(figure, file)


def draw_optuna_plot(plot: OptunaPlot, file: Path | IO[bytes]) -> None:
    """As Optuna's matplotlib backend draws it."""
    with _pyplot() as pyplot:
        from optuna.visualization import matplotlib as visualization

        axes = np.ravel(getattr(visualization, plot.name)(plot.study, **plot.options))[0]
        axes.figure.suptitle("")
        axes.set_title("", loc="left")
        axes.set_title(literal(plot.title), fontsize=11)
        _save(axes.figure, file, bbox_inches="tight")
        pyplot.close(axes.figure)


@contextmanager
def _pyplot() -> Iterator[Any]:
    """matplotlib's global state, left as it was: Optuna's backend changes the style."""
    import matplotlib
    from matplotlib import pyplot

    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")  # its functions are marked experimental
        pyplot.switch_backend("agg")
        yield pyplot


def _save(figure: Figure, file: Path | IO[bytes], **options: Any) -> None:
    drawn = BytesIO()
    with warnings.catch_warnings():  # a class name in a script that the font has not
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(drawn, format="png", dpi=DPI, **options)
    few = Image.open(drawn).convert("RGB").quantize(TONES, dither=Image.Dither.NONE)
    few.save(file, "PNG", optimize=True)  # a third of the bytes


def _dress(axes: Axes, panel: Panel | Heatmap) -> None:
    axes.set_title(literal(panel.title), loc="left", fontsize=10, color=SOFT, fontweight="bold")
    axes.set_xlabel(literal(panel.x.title), fontsize=9, color=INK)
    axes.set_ylabel(literal(panel.y.title), fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[:].set_visible(False)


def _draw(axes: Axes, panel: Panel) -> None:
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for name, axis in (("x", panel.x), ("y", panel.y)):
        _scale(axes, name, axis)
    base: dict[float, float] = {}
    for series in panel.series:
        _draw_series(axes, series, base)
    if panel.reference is not None:
        axes.axhline(panel.reference[0], color=COLOURS[REFERENCE], linewidth=1.2, linestyle="--")
    for name, axis in (("x", panel.x), ("y", panel.y)):
        if axis.range or axis.from_zero:
            (axes.set_xlim if name == "x" else axes.set_ylim)(*(axis.range or (0, None)))


def _draw_series(axes: Axes, series: Series, base: dict[float, float]) -> None:
    """``base`` is how high bars stand already."""
    x, y = np.array(series.x, float).tolist(), np.array(series.y, float).tolist()  # None: NaN
    look: dict[str, Any] = {"color": series.paint, "alpha": series.opacity}
    if series.kind == BARS:
        bottoms = [base.get(position, 0.0) for position in x]
        axes.bar(x, y, bottom=bottoms, width=0.85, **look)
        base.update({at: low + high for at, low, high in zip(x, bottoms, y, strict=True)})
    elif series.kind == POINTS:
        marker, edge = ("x", 1.0) if series.symbol == "x" else ("o", 0)
        axes.scatter(
            x, y, s=series.size**2 * 0.55, marker=marker, linewidths=edge, zorder=3, **look
        )
    else:
        shape = "steps-post" if series.kind == STEPS else "default"
        width, style = series.width * 0.8, _DASHES[series.dash]
        axes.plot(x, y, linewidth=width, linestyle=style, drawstyle=shape, **look)


def _scale(axes: Axes, name: str, axis: Axis) -> None:
    if axis.log:
        (axes.set_xscale if name == "x" else axes.set_yscale)("log")
    if axis.whole:
        side = axes.xaxis if name == "x" else axes.yaxis
        side.set_major_locator(MaxNLocator(integer=True))
    if axis.labels:
        texts = [literal(label) for label in axis.labels]
        (axes.set_xticks if name == "x" else axes.set_yticks)(range(len(texts)), texts)
        (axes.set_xlim if name == "x" else axes.set_ylim)(-0.5, len(texts) - 0.5)


def _draw_heatmap(axes: Axes, heatmap: Heatmap) -> None:
    """The matrix, its numbers and a bar of what the colours mean."""
    image = axes.imshow(heatmap.values, cmap=colormaps["Blues"], vmin=0, vmax=100, aspect="auto")
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    for name, axis in (("x", heatmap.x), ("y", heatmap.y)):
        _scale(axes, name, axis)
    if heatmap.y.labels:
        axes.invert_yaxis()
        long = max(map(len, heatmap.x.labels)) > 4
        axes.tick_params(axis="x", labelrotation=60 if long else 0)
    for i, row in enumerate(heatmap.texts):
        for j, text in enumerate(row):
            if text:
                colour = "white" if heatmap.values[i][j] > 55 else INK
                axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("%", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _handle(series: Series) -> Line2D | Patch:
    label = literal(series.name)
    if series.kind == BARS:
        return Patch(color=series.paint, alpha=series.opacity, label=label)
    if series.kind == POINTS:
        return Line2D([], [], color=series.paint, marker="o", linestyle="", label=label)
    return Line2D([], [], color=series.paint, linestyle=_DASHES[series.dash], label=label)


def literal(text: str) -> str:
    """matplotlib reads $…$ as a formula."""
    return text.replace("$", r"\$")
