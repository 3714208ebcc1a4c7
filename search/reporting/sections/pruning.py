"""What the pruner did: rungs, who passed them, epochs that it saved; and other early ends."""

from __future__ import annotations

import math
from collections import Counter

from optuna.trial import FrozenTrial, TrialState

from search.record.trials import by_pruner
from search.reporting.chart import (
    BARS,
    COMPLETE,
    POINTS,
    PRUNED,
    Axis,
    Chart,
    Panel,
    Series,
    chart,
)
from search.reporting.study_data import StudyData
from search.reporting.table import Row, Table
from search.reporting.texts import count, figure, whole_percent

MOST_REASONS = 20
MOST_RUNGS = 12


def rungs(data: StudyData) -> list[int]:
    """The epochs at which trials were cut."""
    return sorted({len(t.intermediate_values) for t in data.frozen if _is_cut(t)})


def _is_cut(trial: FrozenTrial) -> bool:
    return by_pruner(trial) and bool(trial.intermediate_values)


def _cut_at(data: StudyData, epoch: int) -> list[FrozenTrial]:
    return [t for t in data.frozen if _is_cut(t) and len(t.intermediate_values) == epoch]


def _at(trial: FrozenTrial, epoch: int) -> float | None:
    """The value of the ``epoch``-th report, whatever the steps are called."""
    steps = sorted(trial.intermediate_values)
    if len(steps) < epoch:
        return None
    value = trial.intermediate_values[steps[epoch - 1]]
    return value if math.isfinite(value) else None


def rung_chart(data: StudyData) -> Chart | None:
    """How many trials trained each epoch, and the values at the rungs."""
    found = rungs(data)
    if not found:
        return None
    panels = [_survivors(data)]
    if len(found) <= MOST_RUNGS:
        panels.append(_values_at_rungs(data, found))
    saved = data.spent.epochs_saved
    caption = (
        f"{count(saved)} epochs saved by the pruner: the pale part of the bars." if saved else ""
    )
    return chart("rungs", "The pruner at work", panels, caption)


def _survivors(data: StudyData) -> Panel:
    ended = [t for t in data.frozen if t.state.is_finished()]
    lengths = Counter(len(t.intermediate_values) for t in ended)
    last = max(max(lengths), data.full_epochs or 0)
    epochs = list(range(1, last + 1))
    trained = [sum(n for length, n in lengths.items() if length >= epoch) for epoch in epochs]
    bars = Series("trials that trained this epoch", epochs, trained, COMPLETE, BARS, opacity=0.8)
    cut = Series("spared", epochs, [len(ended) - n for n in trained], PRUNED, BARS, opacity=0.25)
    y = Axis("trials", from_zero=True, whole=True)
    return Panel("Trials by epoch", Axis("epoch", whole=True), y, (bars, cut))


def _values_at_rungs(data: StudyData, found: list[int]) -> Panel:
    passed: list[tuple[int, float, int]] = []
    cut: list[tuple[int, float, int]] = []
    for position, epoch in enumerate(found):
        ended_here = {t.number for t in _cut_at(data, epoch)}
        for trial in data.frozen:
            value = _at(trial, epoch)
            if value is not None:
                group = cut if trial.number in ended_here else passed
                group.append((position, value, trial.number))
    series = []
    for name, role, offset, points in (
        ("went on", COMPLETE, 0.12, passed),
        ("cut", PRUNED, -0.12, cut),
    ):
        if points:
            x = [position + offset for position, _, _ in points]
            texts = [f"trial {number}" for _, _, number in points]
            y = [value for _, value, _ in points]
            series.append(Series(name, x, y, role, POINTS, opacity=0.7, texts=texts))
    labels = tuple(f"epoch {epoch}" for epoch in found)
    return Panel("Values at the rungs", Axis("", labels=labels), Axis(data.metric), tuple(series))


def rung_table(data: StudyData) -> Table | None:
    """Each rung: how many reached it, how many were cut, the best of both sides."""
    rows = []
    for epoch in rungs(data)[:MOST_RUNGS]:
        values = {t.number: v for t in data.frozen if (v := _at(t, epoch)) is not None}
        cut = [values[t.number] for t in _cut_at(data, epoch) if t.number in values]
        ended = len(_cut_at(data, epoch))
        reached = sum(len(t.intermediate_values) >= epoch for t in data.frozen)
        best = max if data.maximize else min
        saved = sum(
            max(0, t.params.get("epochs", data.full_epochs or 0) - epoch)
            for t in _cut_at(data, epoch)
        )
        cells = (
            str(epoch),
            count(reached),
            count(ended),
            whole_percent(100 * ended / max(1, reached)),
            figure("val_top1", best(values.values()) if values else None),
            figure("val_top1", best(cut) if cut else None),
            count(saved) if data.full_epochs else "–",
        )
        rows.append(Row(cells))
    if not rows:
        return None
    headings = (
        "epoch",
        "reached it",
        "cut",
        "cut (%)",
        "best there",
        "best that was cut",
        "epochs saved",
    )
    return Table("Rungs", headings, tuple(rows), f"Values: {data.metric}.")


def reasons(data: StudyData) -> Table | None:
    """Trials that ended for another reason than completion or the pruner."""
    odd = [
        t
        for t in data.frozen
        if t.state == TrialState.FAIL or (t.state == TrialState.PRUNED and not by_pruner(t))
    ]
    if not odd:
        return None
    rows = tuple(
        Row((str(t.number), t.state.name, str(t.user_attrs.get("reason", "not recorded"))))
        for t in odd[:MOST_REASONS]
    )
    more = f"The first {MOST_REASONS} of {len(odd)}." if len(odd) > MOST_REASONS else ""
    headings = ("trial", "state", "reason")
    return Table("Ended for another reason", headings, rows, more, frozenset({0, 1, 2}))
