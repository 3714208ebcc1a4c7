"""How the search went: what Optuna draws of it, what the pruner did, and other early ends."""

from __future__ import annotations

from collections import Counter

from optuna.trial import TrialState

from search.record.trials import by_pruner, continued, spared
from search.reporting.blocks import PLAIN, Block, Section, Table, section, table_of
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
from search.reporting.format import NOTHING, count, whole_percent
from search.reporting.optuna_plots import (
    history_chart,
    importance_chart,
    parallel_chart,
    slices_chart,
    timeline_chart,
)
from search.reporting.rank_agreement import rank_agreement, value_at
from search.reporting.study_data import StudyData

MOST_REASONS = 20
MOST_RUNGS = 12
MOST_VALUES = 2_000  # of the figure of rungs


def course(data: StudyData) -> Section | None:
    """Section 5 of the page."""
    blocks: list[Block | None] = [
        history_chart(data),
        rung_chart(data),
        rung_table(data),
        agreement_table(data),
        importance_chart(data),
        slices_chart(data),
        parallel_chart(data),
        timeline_chart(data),
        reasons(data),
    ]
    return section("search", "How the search went", blocks)


def _cut(data: StudyData) -> dict[int, set[int]]:
    """Epoch → the trials that the pruner ended there."""
    found: dict[int, set[int]] = {}
    gone_on = continued(data.frozen)
    for trial in data.frozen:
        if by_pruner(trial) and trial.number not in gone_on and trial.intermediate_values:
            found.setdefault(len(trial.intermediate_values), set()).add(trial.number)
    return dict(sorted(found.items()))


def rung_chart(data: StudyData) -> Chart | None:
    """How many trials trained each epoch, and the values at the rungs."""
    cut = _cut(data)
    if not cut:
        return None
    panels = [_survivors(data)]
    if len(cut) <= MOST_RUNGS:
        panels.append(_values_at_rungs(data, cut))
    saved = data.spent.epochs_saved
    words = f"{count(saved)} epochs saved by the pruner: the pale part of the bars."
    return chart("rungs", "The pruner at work", panels, words if saved else "")


def _survivors(data: StudyData) -> Panel:
    ended = [t for t in data.frozen if t.state.is_finished()]
    lengths = Counter(len(t.intermediate_values) for t in ended)
    epochs = list(range(1, max(max(lengths), data.full_epochs or 0) + 1))
    trained = [sum(n for length, n in lengths.items() if length >= epoch) for epoch in epochs]
    bars = Series("trials that trained this epoch", epochs, trained, COMPLETE, BARS, opacity=0.8)
    spared = [len(ended) - n for n in trained]
    pale = Series("spared", epochs, spared, PRUNED, BARS, opacity=0.25)
    y = Axis("trials", from_zero=True, whole=True)
    return Panel("Trials by epoch", Axis("epoch", whole=True), y, (bars, pale))


def _values_at_rungs(data: StudyData, cut: dict[int, set[int]]) -> Panel:
    points = [
        (position, value, trial.number, trial.number in cut[epoch])
        for position, epoch in enumerate(cut)
        for trial in data.frozen
        if (value := value_at(trial, epoch)) is not None
    ]
    series = []
    for name, role, offset, is_cut in (
        ("went on", COMPLETE, 0.12, False),
        ("cut", PRUNED, -0.12, True),
    ):
        mine = [point for point in points if point[3] == is_cut]
        mine = mine[:: 1 + len(mine) // MOST_VALUES]
        if mine:
            x, y = [point[0] + offset for point in mine], [point[1] for point in mine]
            numbers = [point[2] for point in mine]
            series.append(Series(name, x, y, role, POINTS, opacity=0.7, trials=numbers))
    x_axis = Axis("", labels=tuple(f"epoch {epoch}" for epoch in cut))
    return Panel("Values at the rungs", x_axis, Axis(data.objective.heading), tuple(series))


def rung_table(data: StudyData) -> Table | None:
    """Each rung: how many reached it, how many were cut, the best of both sides."""
    rows = []
    recipe = data.record.space.fixed if data.record else {}
    for epoch, ended in list(_cut(data).items())[:MOST_RUNGS]:
        values = {t.number: v for t in data.frozen if (v := value_at(t, epoch)) is not None}
        reached = sum(len(t.intermediate_values) >= epoch for t in data.frozen)
        saved = sum(spared(data.frozen[number], recipe) for number in ended)
        cells = {
            "epoch": str(epoch),
            "reached it": count(reached),
            "cut": count(len(ended)),
            "cut (%)": whole_percent(100 * len(ended) / max(1, reached)),
            "best there": _best(data, list(values.values())),
            "best that was cut": _best(data, [values[n] for n in ended if n in values]),
            "epochs saved": count(saved) if saved else NOTHING,
        }
        rows.append((cells, PLAIN))
    caption = f"Values: {data.objective.heading}. {data.interval_note}".strip()
    return table_of("Rungs", rows, caption)


def agreement_table(data: StudyData) -> Table | None:
    """How well early epochs told the end."""
    rows = []
    for found in rank_agreement(data.frozen):
        tau = found.tau
        cells = {
            "epoch": str(found.epoch),
            "trials": count(tau.n),
            "Kendall's τ": f"{tau.estimate:.2f}",
            "95 % interval": f"{tau.low:.2f} to {tau.high:.2f}",
        }
        rows.append((cells, PLAIN))
    caption = "Between the order at the epoch and at the end, of trials that reached the end. "
    caption += "Those that were cut are missing: among survivors early order counts for less."
    return table_of("Rank agreement with the end", rows, caption)


def _best(data: StudyData, values: list[float]) -> str:
    index = data.objective.best_index(values)
    return NOTHING if index is None else data.figure(data.objective.name, values[index])


def reasons(data: StudyData) -> Table | None:
    """Trials that ended for another reason than completion or the pruner."""
    odd = [
        t
        for t in data.frozen
        if t.state == TrialState.FAIL or (t.state == TrialState.PRUNED and not by_pruner(t))
    ]
    rows = []
    for trial in odd[:MOST_REASONS]:
        reason = str(trial.user_attrs.get("reason", "not recorded"))
        cells = {"trial": str(trial.number), "state": trial.state.name, "reason": reason}
        rows.append((cells, PLAIN))
    more = f"The first {MOST_REASONS} of {len(odd)}." if len(odd) > MOST_REASONS else ""
    return table_of("Ended for another reason", rows, more, (0, 1, 2))
