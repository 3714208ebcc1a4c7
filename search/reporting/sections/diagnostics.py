"""How the search ran: failures, what the pruner did, early ranks against final ones, when trials
ran."""

from __future__ import annotations

from collections import Counter

import plotly.graph_objects as go
from optuna.trial import TrialState

from search.record.trials import by_pruner, continued, spared
from search.reporting.blocks import PLAIN, Block, Chart, Section, Table, chart, section, table_of
from search.reporting.figures import (
    COLOURS,
    COMPLETE,
    PRUNED,
    add_points,
    labelled_axis,
    new_figure,
    whole_ticks,
)
from search.reporting.format import NOTHING, count, whole_percent
from search.reporting.rank_agreement import rank_agreement, value_at
from search.reporting.study_data import StudyData

MOST_REASONS, MOST_RUNGS = 20, 12
MOST_VALUES = 2_000  # of the figure of rungs
MOST_BARS = 200  # trials of the timeline
FAILED_COLOUR = "#d64550"


def failures(data: StudyData) -> Section | None:
    return section("failures", "Failed and diverged trials", [failure_table(data)])


def diagnostics(data: StudyData) -> Section | None:
    blocks: list[Block | None] = [
        rung_chart(data),
        rung_table(data),
        agreement_table(data),
        timeline_chart(data),
    ]
    return section("search", "Search diagnostics", blocks, folded=True)


def failure_table(data: StudyData) -> Table | None:
    """Return the trials that neither completed nor were pruned by the pruner."""
    odd = [
        t
        for t in data.frozen
        if t.state == TrialState.FAIL or (t.state == TrialState.PRUNED and not by_pruner(t))
    ]
    rows = []
    for trial in odd[:MOST_REASONS]:
        path = data.folder.failure(trial.number)
        cells = {
            "trial": str(trial.number),
            "state": trial.state.name.lower(),
            "reason": str(trial.user_attrs.get("reason", "not recorded")),
            "traceback": str(path) if path.is_file() else NOTHING,
        }
        rows.append((cells, PLAIN))
    more = f"The first {MOST_REASONS} of {len(odd)}." if len(odd) > MOST_REASONS else ""
    return table_of("Failed and diverged trials", rows, more, range(4), drop_empty=True)


def _pruned_at(data: StudyData) -> dict[int, set[int]]:
    """Return epoch → the trials that the pruner ended there."""
    found: dict[int, set[int]] = {}
    gone_on = continued(data.frozen)
    for trial in data.frozen:
        if by_pruner(trial) and trial.number not in gone_on and trial.intermediate_values:
            found.setdefault(len(trial.intermediate_values), set()).add(trial.number)
    return dict(sorted(found.items()))


def rung_chart(data: StudyData) -> Chart | None:
    """Return how many trials trained each epoch, and the values at the rungs."""
    pruned = _pruned_at(data)
    if not pruned:
        return None
    figures = [_survivors(data)]
    if len(pruned) <= MOST_RUNGS:
        figures.append(_values_at_rungs(data, pruned))
    saved = data.spent.epochs_saved
    return chart("rungs", "Pruning", figures, f"{count(saved)} epochs saved." if saved else "")


def _survivors(data: StudyData) -> go.Figure:
    ended = [t for t in data.frozen if t.state.is_finished()]
    lengths = Counter(len(t.intermediate_values) for t in ended)
    epochs = list(range(1, max(max(lengths), data.full_epochs or 0) + 1))
    trained = [sum(n for length, n in lengths.items() if length >= epoch) for epoch in epochs]
    figure = new_figure("", "epoch", "trials")
    bars = (
        ("trials that trained this epoch", trained, COMPLETE, 0.8),
        ("epochs saved", [len(ended) - n for n in trained], PRUNED, 0.3),
    )
    for name, heights, role, opacity in bars:
        figure.add_bar(
            x=epochs,
            y=heights,
            name=name,
            marker={"color": COLOURS[role]},
            opacity=opacity,
            hovertemplate=f"epoch %{{x}}: %{{y}} {name}<extra></extra>",
        )
    figure.update_xaxes(whole_ticks(len(epochs)))
    return figure.update_layout(barmode="stack", bargap=0.15)


def _values_at_rungs(data: StudyData, pruned: dict[int, set[int]]) -> go.Figure:
    points = [
        (position, value, trial.number, trial.number in pruned[epoch])
        for position, epoch in enumerate(pruned)
        for trial in data.frozen
        if (value := value_at(trial, epoch)) is not None
    ]
    figure = new_figure("", "", data.objective.heading)
    groups = (("promoted", COMPLETE, 0.12, False), ("pruned", PRUNED, -0.12, True))
    for name, role, offset, is_pruned in groups:
        mine = [point for point in points if point[3] == is_pruned]
        mine = mine[:: 1 + len(mine) // MOST_VALUES]
        x, y = [point[0] + offset for point in mine], [point[1] for point in mine]
        numbers = [point[2] for point in mine]
        if mine:
            add_points(figure, x, y, name, role, opacity=0.7, trials=numbers)
            figure.data[-1].hovertemplate = "trial %{customdata}: %{y}<extra></extra>"
    return figure.update_xaxes(labelled_axis([f"epoch {epoch}" for epoch in pruned]))


def rung_table(data: StudyData) -> Table | None:
    """Return each rung: how many reached it, how many were pruned, the best of both."""
    rows = []
    fixed = data.record.space.fixed if data.record else {}
    for epoch, ended in list(_pruned_at(data).items())[:MOST_RUNGS]:
        values = {t.number: v for t in data.frozen if (v := value_at(t, epoch)) is not None}
        reached = sum(len(t.intermediate_values) >= epoch for t in data.frozen)
        saved = sum(spared(data.frozen[number], fixed) for number in ended)
        cells = {
            "epoch": str(epoch),
            "trials at rung": count(reached),
            "pruned": count(len(ended)),
            "pruned (%)": whole_percent(100 * len(ended) / max(1, reached)),
            "best at rung": _best(data, list(values.values())),
            "best that was pruned": _best(data, [values[n] for n in ended if n in values]),
            "epochs saved": count(saved) if saved else NOTHING,
        }
        rows.append((cells, PLAIN))
    caption = f"Values: {data.objective.heading}. {data.interval_note}".strip()
    return table_of("Rungs", rows, caption)


def _best(data: StudyData, values: list[float]) -> str:
    index = data.objective.best_index(values)
    return NOTHING if index is None else data.figure(data.objective.name, values[index])


def agreement_table(data: StudyData) -> Table | None:
    """Return how well early epochs ranked trials as the final ones did."""
    rows = []
    for found in rank_agreement(data.frozen):
        tau = found.tau
        cells = {
            "epoch": str(found.epoch),
            "trials": count(tau.n),
            "Kendall's τ": f"{tau.estimate:.2f}",
            "95 % CI": f"{tau.low:.2f} to {tau.high:.2f}",
        }
        rows.append((cells, PLAIN))
    caption = "Of trials that completed; survivor bias lowers τ."
    return table_of("Early vs. final ranking", rows, caption)


def timeline_chart(data: StudyData) -> Chart | None:
    """Return when each trial had a worker: a thick bar of its worker time from its start, a thin
    line to its end. When a paused trial was trained again is not on record."""
    rows = data.trials[data.trials["start"].notna() & data.trials["end"].notna()].tail(MOST_BARS)
    if rows.empty:
        return None
    figure = new_figure("", "", "trial", max(240, min(640, 100 + 9 * len(rows))))
    looks = (("COMPLETE", COLOURS[COMPLETE]), ("PRUNED", COLOURS[PRUNED]), ("FAIL", FAILED_COLOUR))
    for state, colour in looks:
        mine = rows[rows["state"] == state]
        waited = (mine["end"] - mine["start"]).dt.total_seconds()
        worked = mine["seconds"].fillna(waited).clip(upper=waited)
        spans = ((waited, 0.15, ""), (worked, 0.75, state.lower()))
        for seconds, thickness, name in spans if len(mine) else ():
            figure.add_bar(
                base=mine["start"].dt.strftime("%Y-%m-%d %H:%M:%S.%f").tolist(),
                x=(1000 * seconds).tolist(),
                y=mine["number"].tolist(),
                orientation="h",
                width=thickness,
                marker={"color": colour},
                name=name,
                showlegend=bool(name),
                customdata=mine["number"].tolist(),
                hovertemplate=f"trial %{{y}}: {name or 'with pauses'}<extra></extra>",
            )
    figure.update_layout(barmode="overlay").update_xaxes(type="date")
    bounded = f" The last {MOST_BARS} of {count(len(data.trials))} trials."
    caption = "Bar: worker time, drawn from the trial's start. Line: until its end, with pauses."
    caption += bounded if len(data.trials) > MOST_BARS else ""
    return chart("timeline", "Timeline", [figure], caption, wide=True)
