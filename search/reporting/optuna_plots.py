"""What Optuna draws of a search: history, importances, slices, parallel coordinates, timeline.

Its functions read a study; they get one in memory that holds what is to be drawn, bounded, so that
a study of 10,000 trials has a page that opens.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.reporting.chart import Chart, OptunaPlot, chart
from search.reporting.format import count
from search.reporting.study_data import StudyData

MOST_POINTS, MOST_LINES = 1_000, 200  # of a figure: more make a wall, and a page that is slow
MOST_PARAMETERS = 12
FEWEST_FOR_IMPORTANCES = 8  # below that a share says nothing


class Snapshot(InMemoryStorage):
    """Trials of one moment, with the numbers that they have; ``deepcopy`` is ignored: whoever
    draws changes nothing."""

    def __init__(self, trials: Sequence[FrozenTrial]):
        super().__init__()
        self._shown = list(trials)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Any = None
    ) -> list[FrozenTrial]:
        return [t for t in self._shown if states is None or t.state in states]


def snapshot(data: StudyData, trials: Sequence[FrozenTrial]) -> Study:
    """A study of just ``trials``."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would say that a study was created
    try:
        storage = Snapshot(trials)
        direction = data.direction
        return optuna.create_study(storage=storage, study_name=data.name, direction=direction)
    finally:
        optuna.logging.set_verbosity(verbosity)


def spread(trials: Sequence[FrozenTrial], most: int) -> list[FrozenTrial]:
    """At most ``most`` of ``trials``, evenly from the first to the last."""
    if len(trials) <= most:
        return list(trials)
    step = (len(trials) - 1) / (most - 1)
    return [trials[round(i * step)] for i in range(most)]


def completed_with(
    trials: Sequence[FrozenTrial], value: Callable[[FrozenTrial], float | None]
) -> list[FrozenTrial]:
    """Copies that completed with ``value``, of those for which it is a finite number: Optuna draws
    parameters against the values of completed trials alone."""
    found = []
    for trial in trials:
        its = value(trial)
        if its is not None and math.isfinite(its):
            made = copy.copy(trial)
            made.state, made.values = TrialState.COMPLETE, [its]
            found.append(made)
    return found


def history_chart(data: StudyData) -> Chart | None:
    """Value of each completed trial in order, and the best so far."""
    if not data.ranked:
        return None
    study = snapshot(data, data.frozen)  # all: Optuna takes numbers for positions
    options = {"target_name": data.objective.heading}
    plot = OptunaPlot("", "plot_optimization_history", study, options)
    return chart("history", "History of the completed trials", [plot])


def _bounded(words: str, there: int, most: int) -> str:
    return f"{words}: {most} of {count(there)} trials." if there > most else ""


def importance_chart(data: StudyData) -> Chart | None:
    """Which parameters mattered, for the final value and for the early one."""
    final = completed_with(data.ranked, lambda trial: trial.value)
    epoch = data.common_epoch
    early = completed_with(data.frozen, lambda t: t.intermediate_values.get(epoch or -1))
    words = [(f"Of the final value: {len(final)} completed trials", final)]
    if len(early) > len(final):
        words.append((f"Of the value at epoch {epoch}: {len(early)} trials", early))
    panels = [
        OptunaPlot(title, "plot_param_importances", study, {"target_name": data.objective.heading})
        for title, trials in words
        if (study := snapshot(data, trials)) and _has_importances(study, trials)
    ]
    caption = "How much a parameter decides whether a trial is among the best (PED-ANOVA)."
    if len(panels) > 1:
        caption += " At the earlier epoch the pruned trials count too."
    return chart("importances", "Parameter importances", panels, caption)


def _has_importances(study: Study, trials: Sequence[FrozenTrial]) -> bool:
    """Optuna says by raising where there is too little to go by."""
    if len(trials) < FEWEST_FOR_IMPORTANCES or len({t.value for t in trials}) < 2:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return bool(optuna.importance.get_param_importances(study))
    except (ValueError, RuntimeError):
        return False


def ended_trials(data: StudyData) -> list[FrozenTrial]:
    """What completed or was pruned, each with its best value so far."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = [t for t in data.frozen if t.state in ended]
    return completed_with(trials, lambda trial: data.values[trial.number])


def varied(trials: Sequence[FrozenTrial]) -> list[str]:
    """Parameters with at least two values, that Optuna can draw: all their values are among the
    first choices."""
    values: dict[str, set[str]] = {}
    kinds: dict[str, Any] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(repr(value))
            kinds.setdefault(name, trial.distributions[name])
    return [
        name
        for name, found in values.items()
        if len(found) > 1
        and (
            not isinstance(kinds[name], CategoricalDistribution)
            or found <= set(map(repr, kinds[name].choices))
        )
    ][:MOST_PARAMETERS]


def slices_chart(data: StudyData) -> Chart | None:
    """The value against each parameter alone."""
    trials = ended_trials(data)
    study = snapshot(data, spread(trials, MOST_POINTS))
    panels = [
        OptunaPlot(name, "plot_slice", study, _drawn(data, [name]), height=270)
        for name in varied(trials)
    ]
    caption = "Each trial's best value, darker the later it came. Pruned trials had fewer epochs."
    return chart("slices", "Slices", panels, caption, small=True)


def parallel_chart(data: StudyData) -> Chart | None:
    """Every trial a line across the axes that were searched; None below two of either."""
    trials = ended_trials(data)
    names = varied(trials)
    if len(trials) < 2 or len(names) < 2:
        return None
    best = sorted(trials, key=lambda t: data.objective.sign * (t.value or 0.0))
    study = snapshot(data, spread(best, MOST_LINES))
    plot = OptunaPlot("", "plot_parallel_coordinate", study, _drawn(data, names), height=460)
    caption = _bounded("Spread over the values", len(trials), MOST_LINES)
    return chart("parallel", "Parallel coordinates", [plot], caption, wide=True)


def _drawn(data: StudyData, names: Sequence[str]) -> Mapping[str, Any]:
    return {"params": list(names), "target_name": data.objective.heading}


def timeline_chart(data: StudyData) -> Chart | None:
    """When each trial ran."""
    started = [t for t in data.frozen if t.datetime_start is not None]
    if not started:
        return None
    study = snapshot(data, started[-MOST_LINES:])
    height = max(240, min(640, 100 + 9 * len(started)))
    plot = OptunaPlot("", "plot_timeline", study, height=height)
    caption = _bounded("The last", len(started), MOST_LINES)
    return chart("timeline", "Timeline", [plot], caption, wide=True)
