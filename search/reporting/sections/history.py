"""Value of each trial in order, the best so far, and all intermediate values."""

from __future__ import annotations

from optuna.trial import FrozenTrial, TrialState

from search.common.formatting import settings
from search.reporting.chart import (
    BEST,
    COMPLETE,
    FAILED,
    POINTS,
    PRUNED,
    RECIPE,
    RUNNING,
    STEPS,
    Axis,
    Chart,
    Level,
    Panel,
    Series,
    chart,
)
from search.reporting.sections.curves import EPOCH, MOST_LINES, faint, joined
from search.reporting.study_data import StudyData

STATES = (
    ("pruned", PRUNED, TrialState.PRUNED),
    ("completed", COMPLETE, TrialState.COMPLETE),
    ("failed", FAILED, TrialState.FAIL),
    ("running", RUNNING, TrialState.RUNNING),
)


def history_chart(data: StudyData) -> Chart | None:
    """Two panels: by trial and by epoch."""
    many = len(data.frozen) > MOST_LINES
    caption = f"Intermediate values: the last {MOST_LINES} of each kind." if many else ""
    return chart("history", "History", [_by_trial(data), _by_epoch(data)], caption)


def value_of(data: StudyData, trial: FrozenTrial) -> float | None:
    """A trial's best value so far; None when it has none that is a number."""
    return data.values[trial.number]


def _by_trial(data: StudyData) -> Panel:
    series = []
    for name, role, state in STATES:
        points = [(t, value_of(data, t)) for t in data.frozen if t.state == state]
        there = [(t, value) for t, value in points if value is not None]
        if there:
            texts = [f"trial {t.number}: {settings(t.params)}" for t, _ in there]
            x, y = [t.number for t, _ in there], [value for _, value in there]
            opacity = 0.6 if role == PRUNED else 1.0
            series.append(Series(name, x, y, role, POINTS, opacity=opacity, texts=texts))
    series += _best_so_far(data)
    levels = []
    if data.recipe is not None and data.recipe.value is not None:
        levels = [Level(data.recipe.value, "the recipe", RECIPE)]
    axis = Axis("trial", whole=True)
    return Panel("Best value of each trial", axis, Axis(data.metric), tuple(series), tuple(levels))


def _best_so_far(data: StudyData) -> list[Series]:
    x: list[float | None] = []
    y: list[float | None] = []
    best: float | None = None
    better = max if data.maximize else min
    for trial in data.frozen:
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            best = trial.value if best is None else better(best, trial.value)
            x.append(trial.number)
            y.append(best)
    if not x or best is None:
        return []
    x.append(data.frozen[-1].number)
    y.append(best)
    return [Series("best so far", x, y, BEST, STEPS)]


def _by_epoch(data: StudyData) -> Panel:
    series = []
    for name, role, state in STATES:
        trials = [t for t in data.frozen if t.state == state]
        x, y = joined(data, trials[-MOST_LINES:], "val_top1")
        if x:
            opacity = faint(len(trials), 0.5 if role == PRUNED else 0.8)
            series.append(Series(name, x, y, role, width=1.2, opacity=opacity))
    return Panel("Intermediate values", EPOCH, Axis(data.metric), tuple(series))
