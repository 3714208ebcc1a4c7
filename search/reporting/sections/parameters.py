"""What the parameters did: importances, the objective against each, parallel coordinates, the
learning-rate range test.

Importances and parallel coordinates are Optuna's. Its functions read a study; they get one in
memory that holds what is to be drawn, bounded, so that a study of 10,000 trials has a page that
opens.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
import pandas as pd
import plotly.graph_objects as go
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.reporting.blocks import Chart, Section, chart, section
from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.figures import (
    BEST,
    COLOURS,
    OTHER,
    REFERENCE,
    add_line,
    log_ticks,
    new_figure,
)
from search.reporting.format import count, missing, setting
from search.reporting.study_data import StudyData
from search.reporting.trial_points import MOST_POINTS, add_trials, spread

MOST_LINES, MOST_PARAMETERS = 150, 12
FEWEST_FOR_IMPORTANCES = 30  # completed trials; from fewer, shares change with every trial
WORST = (154, 163, 173)  # the colour of the lowest line of parallel coordinates


def parameters(data: StudyData) -> Section | None:
    blocks = [importance_chart(data), slices_chart(data), parallel_chart(data)]
    words = f"Importances are not known from fewer than {FEWEST_FOR_IMPORTANCES} completed trials."
    lead = words if len(data.ranked) < FEWEST_FOR_IMPORTANCES else ""
    return section("parameters", "Parameters", [*blocks, lr_range_chart(data)], lead)


def study_of(data: StudyData, trials: Sequence[FrozenTrial]) -> Study:
    """Return a study in memory of just ``trials``, numbered anew from 0."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would say that a study was created
    try:
        study = optuna.create_study(direction=data.direction)
    finally:
        optuna.logging.set_verbosity(verbosity)
    study.add_trials(trials)
    return study


def completed_with(
    trials: Sequence[FrozenTrial], value: Callable[[FrozenTrial], float | None]
) -> list[FrozenTrial]:
    """Return copies that completed with ``value``, of the trials for which it is a finite number:
    Optuna draws parameters against the values of completed trials alone."""
    found = []
    for trial in trials:
        its = value(trial)
        if its is not None and math.isfinite(its):
            made = copy.copy(trial)
            made.state, made.values = TrialState.COMPLETE, [its]
            made.datetime_complete = made.datetime_complete or made.datetime_start
            found.append(made)
    return found


def _of_optuna(figure: go.Figure, height: int) -> go.Figure:
    """Return Optuna's figure in the page's look."""
    for name in ("title", "width", "plot_bgcolor"):
        figure.layout[name] = None
    figure.update_layout(height=height, showlegend=False)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def importance_chart(data: StudyData) -> Chart | None:
    """Return which parameters mattered for the final value, as Optuna and its dashboard say."""
    trials = completed_with(spread(data.ranked, MOST_POINTS), lambda trial: trial.value)
    if len(trials) < FEWEST_FOR_IMPORTANCES or len({t.value for t in trials}) < 2:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = optuna.visualization.plot_param_importances(study_of(data, trials))
    except (ValueError, RuntimeError):  # Optuna says so where there is nothing to go by
        return None
    drawn.data[0].name = None
    figure = _of_optuna(drawn, 120 + 30 * len(drawn.data[0].y))
    caption = f"PED-ANOVA over {count(len(trials))} completed trials."
    return chart("importances", "Parameter importances", [figure], caption, wide=True)


def _ended(data: StudyData) -> pd.DataFrame:
    """Return the rows of trials that completed or were pruned with a finite best value."""
    known = pd.Series([value is not None for value in data.values], index=data.trials.index)
    return data.trials[data.trials["state"].isin(["COMPLETE", "PRUNED"]) & known]


def varied(trials: pd.DataFrame) -> list[str]:
    """Return the parameters with at least two values."""
    columns = [name for name in trials if name.startswith(PARAMETER_PREFIX)]
    found = [name.removeprefix(PARAMETER_PREFIX) for name in columns if trials[name].nunique() > 1]
    return found[:MOST_PARAMETERS]


def slices_chart(data: StudyData) -> Chart | None:
    """Return the objective against each parameter."""
    rows = _ended(data)
    rows = rows.iloc[spread(range(len(rows)), MOST_POINTS)]
    figures = [_slice(data, rows, name) for name in varied(rows)]
    caption = "Each trial's best value. Pruned trials had fewer epochs."
    return chart("slices", "Objective vs. each parameter", figures, caption, small=True)


def _slice(data: StudyData, rows: pd.DataFrame, name: str) -> go.Figure:
    column = PARAMETER_PREFIX + name
    there = rows[rows[column].notna()]
    if there[column].dtype.kind not in "fi":
        there = there.assign(**{column: there[column].map(setting)})
    figure = new_figure("", name, data.objective.heading, 250)
    add_trials(figure, data, there, column, "best_value")
    if _is_log(data, name):
        figure.update_xaxes(log_ticks(there[column].tolist()))
    elif there[column].dtype.kind == "i" and there[column].nunique() <= 10:
        figure.update_xaxes(tickvals=sorted(there[column].astype(int).unique().tolist()))
    return figure


def _is_log(data: StudyData, name: str) -> bool:
    found = (t.distributions[name] for t in data.frozen if name in t.distributions)
    return bool(getattr(next(found, None), "log", False))


def parallel_chart(data: StudyData) -> Chart | None:
    """Return every trial as a line across the axes that were searched, the better the bluer; None
    below two of either."""
    trials = completed_with(
        [data.frozen[int(n)] for n in _ended(data)["number"]], lambda t: data.values[t.number]
    )
    names = [name for name in varied(_ended(data)) if _can_be_drawn(trials, name)]
    if len(trials) < 2 or len(names) < 2:
        return None
    worst_first = sorted(trials, key=lambda t: -data.objective.sign * (t.value or 0.0))
    drawn = spread(worst_first, MOST_LINES)
    figure = optuna.visualization.plot_parallel_coordinate(
        study_of(data, drawn), params=names, target_name=data.objective.heading
    )
    lines = [trace for trace in figure.data if trace.customdata is not None]
    for i, (trace, trial) in enumerate(zip(lines, drawn, strict=True)):
        trace.meta, share = trial.number, i / max(1, len(drawn) - 1)
        trace.line.color, trace.opacity = _between(WORST, COLOURS[BEST], share), 0.3 + 0.7 * share
    figure.data = tuple(lines)  # without a bar of Optuna's colours
    caption = "Blue: better, grey: worse." + (
        f" {MOST_LINES} of {count(len(trials))} trials, spread over the values."
        if len(trials) > MOST_LINES
        else ""
    )
    return chart("parallel", "Parallel coordinates", [_of_optuna(figure, 440)], caption, wide=True)


def _can_be_drawn(trials: Sequence[FrozenTrial], name: str) -> bool:
    """Return whether Optuna draws all values: they must be among the first trial's choices."""
    there = [trial for trial in trials if name in trial.params]
    first = there[0].distributions[name]
    if not isinstance(first, CategoricalDistribution):
        return True
    return {repr(t.params[name]) for t in there} <= set(map(repr, first.choices))


def _between(low: tuple[int, int, int], high: str, share: float) -> str:
    ends = zip(low, (int(high[i : i + 2], 16) for i in (1, 3, 5)), strict=True)
    return f"rgb({', '.join(str(round(a + share * (b - a))) for a, b in ends)})"


def lr_range_chart(data: StudyData) -> Chart | None:
    """Return loss against learning rate, from the study's ``lr_range.csv``, with what was
    taken."""
    try:
        table = pd.read_csv(data.folder.lr_range).apply(pd.to_numeric, errors="coerce")
    except (OSError, ValueError):
        return None
    losses = [name for name in table.columns if "loss" in name]
    if "lr" not in table.columns or not losses or not (table["lr"] > 0).any():
        return None
    table = table[table["lr"] > 0].sort_values("lr")
    limits = _loss_limits(table[losses[-1]].dropna())
    figure = new_figure("", "learning rate", "loss", 320)
    for name in losses:
        there = table[table[name].notna()]
        look: dict[str, Any] = {"role": BEST} if "smooth" in name else {"role": OTHER, "width": 1.0}
        add_line(figure, there["lr"].tolist(), there[name].tolist(), name.replace("_", " "), **look)
    found = data.record.lr_range if data.record else None
    suggestion = None if found is None else found.suggestion
    reference = data.baseline_references.get("suggested_lr")
    for words, rate, role in (
        ("falls fastest", suggestion, BEST),
        ("published", reference, REFERENCE),
    ):
        if not missing(rate):
            name = f"{words}: {setting(rate)}"
            add_line(figure, [rate] * 2, list(limits), name, role, width=1.5, dash="dash")
    figure.update_xaxes(log_ticks(table["lr"].tolist()))
    figure.update_yaxes(range=limits)
    words = (
        ""
        if found is None
        else f"lr was searched from {setting(found.low)} to {setting(found.high)}."
    )
    return chart("lr-range", "Learning-rate range test", [figure], words, wide=True)


def _loss_limits(smooth: pd.Series) -> tuple[float, float]:
    """Return the range that matters: from the lowest loss to a little above the first; beyond,
    the rate is too high and the loss explodes."""
    low, first = smooth.min(), smooth.iloc[: max(1, len(smooth) // 4)].max()
    margin = max(0.1 * abs(first), 0.5 * (first - low), 1e-6)
    return float(low - 0.5 * margin), float(first + margin)
