"""Trials as points of a figure, by state and role; curves of several trials in one trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pandas as pd
import plotly.graph_objects as go
from optuna.trial import FrozenTrial

from search.common.formatting import settings
from search.reporting.figures import BASELINE, BEST, COMPLETE, PRUNED, add_points
from search.reporting.study_data import StudyData

T = TypeVar("T")

MOST_POINTS = 1_000  # of a figure: more make a wall, and a page that is slow
FEW_TEXTS = 300  # trials of which each point says the parameters


def add_trials(figure: go.Figure, data: StudyData, rows: pd.DataFrame, x: str, y: str) -> None:
    """Draw columns ``x`` and ``y`` of the trials in ``rows``, which have ``number`` and ``state``:
    pruned, completed, baseline and best, each in its look."""
    marks = rows["number"].map(lambda number: data.mark(int(number)))
    pruned = rows["state"].eq("PRUNED")
    groups = (
        ("pruned", PRUNED, rows[pruned], 6),
        ("completed", COMPLETE, rows[~pruned & ~marks.isin(["best", "baseline"])], 7),
        ("baseline", BASELINE, rows[~pruned & marks.eq("baseline")], 11),
        ("best", BEST, rows[~pruned & marks.eq("best")], 12),
    )
    for name, role, group, size in groups:
        shown = spread(range(len(group)), MOST_POINTS)
        found = group.iloc[shown]
        numbers = found["number"].astype(int).tolist()
        if numbers:
            few = len(rows) <= FEW_TEXTS
            words = [f"trial {n}: {settings(data.frozen[n].params)}" for n in numbers if few]
            add_points(
                figure, found[x].tolist(), found[y].tolist(), name, role,
                size=size, opacity=0.7 if role == PRUNED else 1.0, trials=numbers, texts=words,
            )  # fmt: skip


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most ``most`` of ``items``, evenly from the first to the last."""
    if len(items) <= most:
        return list(items)
    step = (len(items) - 1) / (most - 1)
    return [items[round(i * step)] for i in range(most)]


def main_trials(data: StudyData) -> list[tuple[str, str, FrozenTrial]]:
    """Return (name, role, trial) of the baseline and the best, in drawing order."""
    found = []
    if data.baseline is not None and data.baseline is not data.best:
        found.append(("baseline, trial 0", BASELINE, data.baseline))
    if data.best is not None:
        found.append((f"best, trial {data.best.number}", BEST, data.best))
    return found
