"""Parallel coordinates: every trial a line across the axes that were searched."""

from __future__ import annotations

import math
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.reporting.plotly_panels import numbers, plain
from search.reporting.section import Interactive
from search.reporting.sections.history import value_of
from search.reporting.sections.slices import choices_of, is_log, setting_text, varied
from search.reporting.study_data import StudyData
from search.reporting.ticks import log_ticks

MOST_AXES = 10
COLOURS = [[0, "#b3bcc6"], [1, "#1f6fc4"]]  # seen on a white and on a dark ground


def parallel_coordinates(data: StudyData) -> Interactive | None:
    """Trials that have every shown parameter, the best on top; None below two of them."""
    names = varied(data)[:MOST_AXES]
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    there = [
        (value, trial)
        for trial in data.frozen
        if trial.state in ended and set(names) <= set(trial.params)
        if (value := value_of(data, trial)) is not None
    ]
    if len(there) < 2 or len(names) < 2:
        return None
    there.sort(key=lambda item: item[0], reverse=not data.maximize)
    values = [value for value, _ in there]
    line = {
        "color": numbers(values),
        "colorscale": COLOURS,
        "reversescale": not data.maximize,
        "showscale": False,
    }
    trials = [trial for _, trial in there]
    axes = [_axis(data, name, trials) for name in names]
    axes.append({"label": plain(data.metric), "values": numbers(values)})
    figure = {
        "data": [{"type": "parcoords", "line": line, "dimensions": axes, "labelangle": -20}],
        "layout": {"height": 440, "margin": {"l": 60, "r": 60, "t": 70, "b": 20}},
    }
    caption = "Each line is a trial, bluer where it did better; drag along an axis to pick some."
    return Interactive("parallel", "Parallel coordinates", figure, caption)


def _axis(data: StudyData, name: str, trials: list[FrozenTrial]) -> dict[str, Any]:
    found = [trial.params[name] for trial in trials]
    labels = choices_of(data, name)
    if labels:
        positions = [labels.index(setting_text(value)) for value in found]
        return _dimension(name, positions, list(enumerate(labels)))
    if is_log(data, name):
        ticks = [(math.log10(value), label) for value, label in log_ticks(found)]
        return _dimension(name, [math.log10(value) for value in found], ticks)
    if all(isinstance(value, int) for value in found) and len(set(found)) <= 8:
        return _dimension(name, found, [(value, str(value)) for value in sorted(set(found))])
    return {"label": plain(name), "values": numbers(found)}


def _dimension(name: str, values: list[Any], ticks: list[tuple[float, str]]) -> dict[str, Any]:
    return {
        "label": plain(name),
        "values": numbers(values),
        "tickvals": [value for value, _ in ticks],
        "ticktext": [plain(label) for _, label in ticks],
    }
