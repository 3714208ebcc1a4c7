"""The value against each parameter alone."""

from __future__ import annotations

from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from search.reporting.chart import BEST, POINTS, PRUNED, RECIPE, Axis, Chart, Panel, Series, chart
from search.reporting.sections.history import STATES, value_of
from search.reporting.study_data import StudyData
from search.reporting.texts import setting

MOST_PARAMETERS = 16
MOST_MARKS = 8


def slices_chart(data: StudyData) -> Chart | None:
    """One panel per parameter that has more than one value."""
    panels = [_panel(data, name) for name in varied(data)[:MOST_PARAMETERS]]
    caption = "Each trial's best value. Pruned trials had fewer epochs, so they stand lower."
    return chart("slices", "Slices", panels, caption, small=True)


def varied(data: StudyData) -> list[str]:
    """Parameters with at least two values among the trials."""
    values: dict[str, set[str]] = {}
    for trial in data.frozen:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, found in values.items() if len(found) > 1]


def choices_of(data: StudyData, name: str) -> tuple[str, ...]:
    """The choices of a categorical parameter as texts; empty for a number."""
    found: dict[str, None] = {}
    for trial in data.frozen:
        distribution = trial.distributions.get(name)
        if isinstance(distribution, CategoricalDistribution):
            found.update(dict.fromkeys(setting_text(choice) for choice in distribution.choices))
    return tuple(found)


def setting_text(value: Any) -> str:
    return "None" if value is None else setting(value)


def is_log(data: StudyData, name: str) -> bool:
    """Whether every distribution of the parameter is on a log scale."""
    found = [t.distributions[name] for t in data.frozen if name in t.distributions]
    return all(isinstance(d, (FloatDistribution, IntDistribution)) and d.log for d in found)


def _marks(data: StudyData, name: str) -> tuple[float, ...]:
    """The values of a whole-numbered parameter that has few of them."""
    found = sorted({t.params[name] for t in data.frozen if name in t.params})
    few = len(found) <= MOST_MARKS and all(isinstance(value, int) for value in found)
    return tuple(map(float, found)) if few else ()


def _panel(data: StudyData, name: str) -> Panel:
    labels = choices_of(data, name)
    series = []
    for label, role, state in STATES:
        trials = [t for t in data.frozen if t.state == state and name in t.params]
        series += _points(data, label, role, trials, name, labels)
    marked = (("recipe", RECIPE, data.recipe), ("best", BEST, data.best))
    for label, role, trial in marked:
        if trial is not None and name in trial.params:
            series += _points(data, label, role, [trial], name, labels, size=11)
    log = not labels and is_log(data, name)
    axis = Axis(name, log=log, labels=labels, marks=() if log or labels else _marks(data, name))
    return Panel("", axis, Axis(data.metric), tuple(series), height=270)


def _points(
    data: StudyData,
    label: str,
    role: str,
    trials: list[FrozenTrial],
    name: str,
    labels: tuple[str, ...],
    size: float = 6,
) -> list[Series]:
    there = [(t, value) for t in trials if (value := value_of(data, t)) is not None]
    if not there:
        return []
    x = [
        labels.index(setting_text(t.params[name])) if labels else float(t.params[name])
        for t, _ in there
    ]
    texts = [f"trial {t.number}: {name} = {setting_text(t.params[name])}" for t, _ in there]
    opacity = 0.55 if role == PRUNED else 0.95
    y = [value for _, value in there]
    return [Series(label, x, y, role, POINTS, size=size, opacity=opacity, texts=texts)]
