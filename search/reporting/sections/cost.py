"""Compute: what search and re-evaluation cost, and the objective against a trial's time."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from optuna.trial import FrozenTrial

from search.record.trials import is_copy, is_figure
from search.reporting.blocks import Chart, Section, Table, chart, section, table_of
from search.reporting.figures import COMPLETE, add_line, log_ticks, new_figure
from search.reporting.format import NOTHING, count, figure, heading, time_span
from search.reporting.spent import pareto_front, seconds_column
from search.reporting.study_data import StudyData
from search.reporting.trial_points import add_trials

ENERGY = "gpu_energy_kj"


def cost(data: StudyData) -> Section | None:
    blocks = [compute_table(data), cost_chart(data), cost_table(data)]
    return section("cost", "Compute", blocks)


def compute_table(data: StudyData) -> Table | None:
    """Return what search and re-evaluation cost, per trial and in total."""
    if data.record is None:
        return None
    stages = [("search", data.frozen), ("re-evaluation", data.confirming)]
    rows = [(_cost(name, trials), "") for name, trials in stages if trials]
    if len(rows) > 1:
        rows.append((_cost("total", (*data.frozen, *data.confirming)), ""))
    shared = (
        "Energy is the whole card's while a trial was at work: where trials share a card, each "
        "counts it."
    )
    has_energy = any(row[heading(ENERGY)] != NOTHING for row, _ in rows)
    return table_of("Compute", rows, shared if has_energy else "", drop_empty=True)


def _cost(name: str, trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """Return a row. Copies were answered from the record, and cost nothing."""
    trained = [t for t in trials if t.intermediate_values and not is_copy(t)]
    number = max(1, len(trained))
    epochs = sum(len(trial.intermediate_values) for trial in trained)
    seconds, energy = _sum(trained, "wall_seconds"), _sum(trained, ENERGY)
    return {
        "": name,
        "trials": count(len(trained)),
        "epochs": count(epochs),
        "epochs/trial": f"{epochs / number:.1f}",
        "worker time": time_span(seconds or None),
        "time/trial": time_span(seconds / number if seconds else None),
        heading(ENERGY): figure(ENERGY, energy or None),
        f"{heading(ENERGY)} per trial": figure(ENERGY, energy / number if energy else None),
    }


def _sum(trials: Sequence[FrozenTrial], name: str) -> float:
    values = [trial.user_attrs.get(name) for trial in trials]
    return sum(float(value) for value in values if is_figure(value))


def _known(data: StudyData) -> pd.DataFrame:
    """Return the rows of the trials whose cost and value are known."""
    known = (data.trials[seconds_column(data)] > 0) & data.trials["best_value"].notna()
    return data.trials[known & (data.record is not None)]


def _front(data: StudyData) -> pd.DataFrame:
    known = _known(data)
    return pareto_front(known[known["state"] == "COMPLETE"], seconds_column(data), data.objective)


def cost_chart(data: StudyData) -> Chart | None:
    """Return all trials with the front of the completed ones; None where no cost is known."""
    known, front, column = _known(data), _front(data), seconds_column(data)
    known = known[known["state"].isin(["COMPLETE", "PRUNED"])]
    on_gpu = data.trials["device"].eq("cuda").any()
    title = f"GPU {heading(column)}" if on_gpu else heading(column)
    drawn = new_figure("", title, data.objective.heading, 380)
    if len(front) > 1:
        x, y = front[column].tolist(), front["best_value"].tolist()
        add_line(drawn, x, y, "Pareto front of completed trials", COMPLETE, shape="hv", width=1.5)
    add_trials(drawn, data, known, column, "best_value")
    drawn.update_xaxes(log_ticks(known[column].tolist()))
    return chart("cost", f"{data.objective.label.capitalize()} vs. time", [drawn], wide=True)


def cost_table(data: StudyData, most: int = 12) -> Table | None:
    """Return the trials of the front."""
    column, rows = seconds_column(data), []
    for _, row in _front(data).tail(most).iterrows():
        number = int(row["number"])
        cells = {
            "trial": str(number),
            heading(column): figure(column, row[column]),
            data.objective.heading: data.figure(data.objective.name, row["best_value"]),
            heading("test_top1"): data.figure("test_top1", row["test_top1"]),
            "changed from baseline": data.changed_in_words(number),
        }
        rows.append((cells, "best" if data.mark(number) == "best" else ""))
    return table_of("Pareto-optimal trials", rows, data.interval_note, (0, 4), drop_empty=True)
