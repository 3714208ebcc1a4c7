"""The learning-rate range test that a search began with (report C)."""

from __future__ import annotations

import pandas as pd

from search.reporting.chart import (
    BEST,
    DASHED,
    LINES,
    OTHER,
    REFERENCE,
    Axis,
    Chart,
    Panel,
    Series,
    chart,
)
from search.reporting.format import setting
from search.reporting.study_data import StudyData


def lr_range_chart(data: StudyData) -> Chart | None:
    """Loss against learning rate, from the study's ``lr_range.csv``, with what was taken."""
    try:
        table = pd.read_csv(data.folder.lr_range).apply(pd.to_numeric, errors="coerce")
    except (OSError, ValueError):
        return None
    losses = [name for name in table.columns if "loss" in name]
    if "lr" not in table.columns or not losses or not (table["lr"] > 0).any():
        return None
    table = table[table["lr"] > 0].sort_values("lr")
    limits = _limits(table, losses)
    series = [_curve(table, name) for name in losses]
    series += _marks(data, limits)
    panel = Panel("", Axis("learning rate", log=True), Axis("loss", range=limits), tuple(series))
    return chart("lr-range", "Learning-rate range test", [panel], _words(data), wide=True)


def _curve(table: pd.DataFrame, name: str) -> Series:
    kept = table[table[name].notna()]
    x, y = kept["lr"].tolist(), kept[name].tolist()
    if "smooth" in name:
        return Series(name.replace("_", " "), x, y, BEST, LINES, width=2.4)
    return Series(name.replace("_", " "), x, y, OTHER, LINES, width=1.0, opacity=0.5)


def _limits(table: pd.DataFrame, losses: list[str]) -> tuple[float, float]:
    """What the test is about: from the lowest loss to a little above the first; beyond, the rate
    is too high and the loss explodes."""
    smooth = table[losses[-1]].dropna()
    low, first = smooth.min(), smooth.iloc[: max(1, len(smooth) // 4)].max()
    room = max(0.1 * abs(first), 0.5 * (first - low), 1e-6)
    return float(low - 0.5 * room), float(first + room)


def _marks(data: StudyData, limits: tuple[float, float]) -> list[Series]:
    """Upright lines: what this test suggests, and the report's figure."""
    found = data.record.lr_range if data.record else None
    suggestion = None if found is None else found.suggestion
    reference = data.recipe_references.get("suggested_lr")
    series = []
    for words, rate, role in (
        ("falls fastest", suggestion, BEST),
        ("reference", reference, REFERENCE),
    ):
        if rate is not None:
            name = f"{words}: {setting(rate)}"
            series.append(Series(name, [rate] * 2, limits, role, LINES, DASHED, 1.5))
    return series


def _words(data: StudyData) -> str:
    found = data.record.lr_range if data.record else None
    if found is None:
        return ""
    return f"So lr was searched from {setting(found.low)} to {setting(found.high)}."
