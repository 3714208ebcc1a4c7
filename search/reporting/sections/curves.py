"""Loss, accuracy and learning rate against epoch: best, baseline, and grey what was pruned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from search.reporting.blocks import Chart, Section, chart, section
from search.reporting.figures import (
    COMPLETE,
    PRUNED,
    add_line,
    add_points,
    add_reference,
    log_ticks,
    new_figure,
    whole_ticks,
)
from search.reporting.format import heading
from search.reporting.study_data import StudyData
from search.reporting.trial_points import main_trials
from trainers.metrics import find_metric

MOST_LINES = 60  # faint ones of each kind: more make a wall


def curves(data: StudyData) -> Section | None:
    lead = "Solid: validation. Dashed: training. Grey: pruned, up to the pruning epoch."
    return section("curves", "Curves", [curves_chart(data)], lead if data.record else "")


def curves_chart(data: StudyData) -> Chart | None:
    """Return accuracy, loss, learning rate, top-1 against top-5, of what was measured; else the
    study's value alone."""
    if data.epochs["value"].notna().sum() == 0:
        return None
    figures = [_figure(data, data.objective.heading, "value", _training_of(data))]
    if data.objective.name != "val_top1":
        figures.append(_figure(data, heading("val_top1"), "val_top1", "train_top1"))
    if data.objective.name != "val_loss":
        figures.append(_figure(data, heading("val_loss"), "val_loss", "train_loss"))
    figures += [_rates(data), _top5(data)]
    reference = data.baseline_references.get("test_top1")
    if data.at_report_scale and reference is not None and data.objective.name == "val_top1":
        add_reference(figures[0], reference, find_metric("test_top1").described(reference))
    for figure in figures:
        figure.update_xaxes(whole_ticks(int(data.epochs["epoch"].max())))
    clipped = any(figure.layout.yaxis.range for figure in figures)
    caption = "Loss outliers clipped. " if clipped else ""
    if len(data.frozen) > MOST_LINES:
        caption += f"Grey and green: the last {MOST_LINES} of each."
    return chart("curves", "Training curves", figures, caption)


def _training_of(data: StudyData) -> str:
    """Return the column of the objective while weights change; "" where there is none."""
    name = f"train_{data.objective.name.removeprefix('val_')}"
    return name if data.objective.name.startswith("val_") and name in data.epochs else ""


def _figure(data: StudyData, title: str, validation: str, training: str) -> go.Figure:
    figure = new_figure("", "epoch", title)
    _add_others(figure, data, validation)
    for name, role, trial in main_trials(data):
        curve = data.curve(trial)
        _add_curve(figure, curve, validation, name, role)
        if training:
            _add_curve(figure, curve, training, "", role, dash="dash", width=1.4)
    if "loss" in validation or (validation == "value" and data.objective.sign > 0):
        figure.update_yaxes(range=_limits(data, validation))
    return figure


def _limits(data: StudyData, column: str) -> tuple[float, float] | None:
    """Return a range in which one pruned trial that went astray does not flatten all others."""
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


def _add_curve(
    figure: go.Figure,
    curve: pd.DataFrame,
    column: str,
    name: str,
    role: str,
    dash: str = "solid",
    width: float = 2.0,
    shape: str = "linear",
) -> None:
    """Draw ``column`` of a trial's rows against its epochs; nothing where it is empty."""
    real = curve[curve[column].notna()]
    if len(real):
        x, y, trial = real["epoch"].tolist(), real[column].tolist(), int(real["number"].iloc[0])
        add_line(figure, x, y, name, role, width=width, dash=dash, shape=shape, trials=trial)


def _add_others(figure: go.Figure, data: StudyData, column: str) -> None:
    """Draw all other completed trials as one faint trace, all pruned ones as one grey, ends
    marked."""
    main = {trial.number for _, _, trial in main_trials(data)}
    groups = (
        ("other completed trials", COMPLETE, TrialState.COMPLETE),
        ("pruned", PRUNED, TrialState.PRUNED),
    )
    for name, role, state in groups:
        trials = [t for t in data.frozen if t.state == state and t.number not in main]
        trials = trials[-MOST_LINES:]
        x, y, numbers = _joined(data, trials, column)
        if not x:
            continue
        faint = max(0.2, min(0.5, 15 / len(trials)))
        add_line(figure, x, y, name, role, width=1.0, opacity=faint, trials=numbers)
        if state == TrialState.PRUNED:
            ends = _rows(data, trials, column).groupby("number").tail(1)
            x, y, numbers = (ends[name].tolist() for name in ("epoch", column, "number"))
            add_points(figure, x, y, "", role, size=5, opacity=0.8, trials=numbers)


def _rows(data: StudyData, trials: Sequence[FrozenTrial], column: str) -> pd.DataFrame:
    wanted = data.epochs[data.epochs["number"].isin([t.number for t in trials])]
    return wanted[wanted[column].notna()]


def _joined(
    data: StudyData, trials: Sequence[FrozenTrial], column: str
) -> tuple[list[float | None], list[float | None], list[int | None]]:
    """Return several curves as one, the pen lifted between them; and whose each point is."""
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int | None] = []
    for _, curve in _rows(data, trials, column).groupby("number"):
        x += [*curve["epoch"].tolist(), None]
        y += [*curve[column].tolist(), None]
        numbers += [*curve["number"].tolist(), None]
    return x, y, numbers


def _rates(data: StudyData) -> go.Figure:
    figure = new_figure("", "epoch", "learning rate")
    rates: list[float] = []
    for name, role, trial in main_trials(data):
        curve = data.curve(trial)
        _add_curve(figure, curve, "lr", name, role, shape="hv")
        rates += curve["lr"].dropna().tolist()
    return figure.update_yaxes(log_ticks(rates))


def _top5(data: StudyData) -> go.Figure:
    figure = new_figure("", "epoch", "top-1 (solid), top-5 (dotted), %")
    for name, role, trial in main_trials(data):
        curve = data.curve(trial)
        if curve["val_top5"].notna().any():
            _add_curve(figure, curve, "val_top1", name, role)
            _add_curve(figure, curve, "val_top5", "", role, dash="dot")
    return figure
