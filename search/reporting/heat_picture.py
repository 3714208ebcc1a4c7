"""Matrices and axes of names, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from search.reporting.chart import Axis, Heat

INK = "#1c2530"
_SHARES = LinearSegmentedColormap.from_list("shares", ["#ffffff", "#2f81d6"])


def draw_heat(axes: Axes, heat: Heat) -> None:
    """The matrix, its numbers and a bar of what the colours mean."""
    image = axes.imshow(heat.values, cmap=_SHARES, vmin=0, vmax=100, aspect="auto")
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    if heat.x.labels:
        name_axis(axes, "x", heat.x)
        name_axis(axes, "y", heat.y)
        axes.invert_yaxis()
        long = max(map(len, heat.x.labels)) > 4
        axes.tick_params(axis="x", labelrotation=60 if long else 0)
    for i, row in enumerate(heat.texts):
        for j, text in enumerate(row):
            if text:
                colour = "white" if heat.values[i][j] > 55 else INK
                axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.set_label("%", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def name_axis(axes: Axes, name: str, axis: Axis) -> None:
    """Writes the axis's names at 0, 1, 2, …"""
    positions = list(range(len(axis.labels)))
    texts = [literal(label) for label in axis.labels]
    (axes.set_xticks if name == "x" else axes.set_yticks)(positions, texts)
    (axes.set_xlim if name == "x" else axes.set_ylim)(-0.5, len(texts) - 0.5)


def literal(text: str) -> str:
    """matplotlib reads $…$ as a formula."""
    return text.replace("$", r"\$")
