"""Loss, accuracy and learning rate against epoch: best, recipe, and grey what was cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from search.reporting.blocks import Section, section
from search.reporting.chart import (
    BEST,
    COMPLETE,
    DASHED,
    POINTS,
    PRUNED,
    RECIPE,
    STEPS,
    Axis,
    Chart,
    Panel,
    Series,
    chart,
)
from search.reporting.format import heading
from search.reporting.study_data import StudyData
from trainers.metrics import find_metric

EPOCH = Axis("epoch", whole=True)
MOST_LINES = 200  # grey ones: more make a wall


def curves(data: StudyData) -> Section | None:
    """Section 4 of the page."""
    lead = "Solid: validation. Dashed: training. Grey: pruned, up to the epoch where it was cut."
    return section("curves", "Curves", [curves_chart(data)], lead if data.record else "")


def curves_chart(data: StudyData) -> Chart | None:
    """Accuracy, loss, learning rate, top-1 against top-5; the value alone of other programs'
    studies."""
    if data.epochs["value"].notna().sum() == 0:
        return None
    if data.record is None:
        panels = [_panel(data, "Value", data.objective.heading, "value")]
    else:
        panels = [
            _panel(data, "Top-1", heading("val_top1"), "val_top1", "train_top1", _reference(data)),
            _panel(data, "Loss", "loss, mean over images", "val_loss", "train_loss"),
            _rates(data),
            _top5(data),
        ]
    cut_off = any(panel.y.range for panel in panels)
    caption = "Losses far above the others' are cut off. " if cut_off else ""
    if len(data.frozen) > MOST_LINES:
        caption += f"Grey and green: the last {MOST_LINES} of each."
    return chart("curves", "Training curves", panels, caption)


def _reference(data: StudyData) -> tuple[float, str] | None:
    value = data.recipe_references.get("test_top1") if data.at_report_scale else None
    return (
        None if value is None else (value, f"reference {find_metric('test_top1').described(value)}")
    )


def main_trials(data: StudyData) -> list[tuple[str, str, FrozenTrial]]:
    """(name, role, trial) of the recipe and the best, in drawing order."""
    found = []
    if data.recipe is not None and data.recipe is not data.best:
        found.append(("trial 0, the recipe", RECIPE, data.recipe))
    if data.best is not None:
        found.append((f"best, trial {data.best.number}", BEST, data.best))
    return found


def _panel(
    data: StudyData,
    title: str,
    unit: str,
    validation: str,
    training: str = "",
    reference: tuple[float, str] | None = None,
) -> Panel:
    series = _others(data, validation)
    for name, role, trial in main_trials(data):
        curve = data.curve(trial)
        series += line(curve, validation, name, role)
        if training:
            series += line(curve, training, "", role, dash=DASHED, width=1.4)
    limits = _limits(data, validation) if "loss" in validation else None
    return Panel(title, EPOCH, Axis(unit, range=limits), tuple(series), reference)


def _limits(data: StudyData, column: str) -> tuple[float, float] | None:
    """So that one pruned trial that went astray does not flatten all others."""
    values = data.epochs.loc[data.epochs[column].map(math.isfinite), column]
    if values.empty:
        return None
    main = {trial.number for _, _, trial in main_trials(data)}
    shown = values[data.epochs["number"].isin(main)]
    low, high = values.min(), values.max()
    usual = max(values.quantile(0.95), shown.max()) if len(shown) else values.quantile(0.95)
    if high <= low + 2 * (usual - low):
        return None
    return (low - 0.05 * (usual - low), usual + 0.1 * (usual - low))


def line(curve: pd.DataFrame, column: str, name: str, role: str, **style: Any) -> list[Series]:
    """``column`` of a trial's rows against its epochs; nothing where it is empty."""
    real = curve[curve[column].notna()]
    if real.empty:
        return []
    kind = {} if len(real) > 1 else {"kind": POINTS}  # a line of one point is not seen
    x, y, trial = real["epoch"].tolist(), real[column].tolist(), int(real["number"].iloc[0])
    return [Series(name, x, y, role, trials=trial, **(style | kind))]


def _others(data: StudyData, column: str) -> list[Series]:
    """All other completed trials as one faint series, all pruned ones as one grey, ends marked."""
    main = {trial.number for _, _, trial in main_trials(data)}
    groups = (
        ("other completed trials", COMPLETE, TrialState.COMPLETE),
        ("pruned", PRUNED, TrialState.PRUNED),
    )
    found = []
    for name, role, state in groups:
        trials = [t for t in data.frozen if t.state == state and t.number not in main]
        x, y, numbers = joined(data, trials[-MOST_LINES:], column)
        if x:
            opacity = faint(len(trials), 0.5)
            found.append(Series(name, x, y, role, width=1.0, opacity=opacity, trials=numbers))
    found += _ends(data, column)
    return found


def faint(lines: int, most: float) -> float:
    """An opacity at which so many lines can still be told apart; ``most`` for a few."""
    return max(0.15, min(most, 25 / max(1, min(lines, MOST_LINES))))


def _ends(data: StudyData, column: str) -> list[Series]:
    cut = {t.number for t in data.frozen if t.state == TrialState.PRUNED}
    rows = data.epochs[data.epochs["number"].isin(cut) & data.epochs[column].notna()]
    last = rows.groupby("number").tail(1).tail(MOST_LINES)
    if last.empty:
        return []
    x, y, numbers = (last[name].tolist() for name in ("epoch", column, "number"))
    return [Series("", x, y, PRUNED, POINTS, size=5, symbol="x", opacity=0.8, trials=numbers)]


def joined(
    data: StudyData, trials: Sequence[FrozenTrial], column: str
) -> tuple[list[float | None], list[float | None], list[int | None]]:
    """Several curves in one series, the pen lifted between them; and whose each point is."""
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    wanted = data.epochs[data.epochs["number"].isin([t.number for t in trials])]
    for _, curve in wanted[wanted[column].notna()].groupby("number"):
        x += [*curve["epoch"].tolist(), None]
        y += [*curve[column].tolist(), None]
        numbers += [*curve["number"].tolist(), None]
    return x, y, numbers


def _rates(data: StudyData) -> Panel:
    series = []
    for name, role, trial in main_trials(data):
        series += line(data.curve(trial), "lr", name, role, kind=STEPS)
    return Panel("Learning rate", EPOCH, Axis("learning rate", log=True), tuple(series))


def _top5(data: StudyData) -> Panel:
    series = []
    for name, role, trial in main_trials(data):
        curve = data.curve(trial)
        if curve["val_top5"].notna().any():
            series += line(curve, "val_top1", name, role)
            series += line(curve, "val_top5", "", role, dash="dot")
    title = "Top-1 (solid) and top-5 (dotted)"
    return Panel(title, EPOCH, Axis("validation accuracy (%)"), tuple(series))
