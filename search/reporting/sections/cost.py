"""The objective against the seconds it took: what is worth its time."""

from __future__ import annotations

import math

import pandas as pd

from search.common.formatting import settings
from search.reporting.blocks import Section, Table, section, table_of
from search.reporting.chart import (
    BEST,
    COMPLETE,
    POINTS,
    PRUNED,
    RECIPE,
    STEPS,
    Axis,
    Chart,
    Panel,
    Series,
    chart,
)
from search.reporting.format import figure, heading
from search.reporting.sections.result import differs_in_words
from search.reporting.study_data import StudyData
from trainers.metrics import Metric


def cost(data: StudyData) -> Section | None:
    """Section 7 of the page."""
    lead = "The line joins the completed trials that no other one beats in both."
    return section("cost", "Cost", [cost_chart(data), cost_table(data)], lead)


def _spent(data: StudyData) -> pd.DataFrame:
    """The trials whose cost and value are known."""
    known = (data.trials[seconds_column(data)] > 0) & data.trials["best_value"].notna()
    return data.trials[known & (data.record is not None)]


def _front(data: StudyData) -> pd.DataFrame:
    spent = _spent(data)
    done = spent[spent["state"] == "COMPLETE"]
    return pareto_front(done, seconds_column(data), data.objective)


def seconds_column(data: StudyData) -> str:
    """On a GPU the seconds it was held, on a CPU those of the processor."""
    on_gpu = data.trials["device"].eq("cuda").any()
    return "seconds" if on_gpu or data.trials["cpu_seconds"].isna().all() else "cpu_seconds"


def pareto_front(completed: pd.DataFrame, column: str, objective: Metric) -> pd.DataFrame:
    """The rows that no other beats in both seconds and the objective, the quickest first."""
    lower = objective.sign * completed["best_value"]
    ordered = completed.assign(lower=lower).sort_values([column, "lower"])
    better = ordered["lower"] < ordered["lower"].cummin().shift(fill_value=math.inf)
    return ordered[better].drop(columns="lower")


def cost_chart(data: StudyData) -> Chart | None:
    """All trials with the front of the completed ones; None where no cost is known."""
    spent, front, column = _spent(data), _front(data), seconds_column(data)
    if spent.empty:
        return None
    groups = [
        ("pruned", PRUNED, spent[spent["state"] == "PRUNED"]),
        ("completed", COMPLETE, spent[spent["state"] == "COMPLETE"]),
    ]
    series = []
    for name, role, rows in groups:
        if len(rows):
            series.append(_points(data, name, role, rows, column))
    if len(front) > 1:
        x, y = front[column].tolist(), front["best_value"].tolist()
        series.append(Series("best for its time", x, y, COMPLETE, STEPS, width=1.5))
    for name, role, trial in (("recipe", RECIPE, data.recipe), ("best", BEST, data.best)):
        if trial is not None:
            rows = spent[spent["number"] == trial.number]
            if len(rows):
                series.append(_points(data, name, role, rows, column, size=11))
    on_gpu = data.trials["device"].eq("cuda").any()
    title = f"GPU {heading(column)}" if on_gpu else heading(column)
    panel = Panel(
        "", Axis(title, log=True), Axis(data.objective.heading), tuple(series), height=420
    )
    return chart("cost", f"{data.objective.label.capitalize()} against cost", [panel], wide=True)


def _points(
    data: StudyData, name: str, role: str, rows: pd.DataFrame, column: str, size: float = 7
) -> Series:
    texts = [f"trial {n}: {settings(data.frozen[n].params)}" for n in rows["number"]]
    x, y = rows[column].tolist(), rows["best_value"].tolist()
    opacity = 0.55 if role == PRUNED else 1.0
    numbers = rows["number"].tolist()
    return Series(name, x, y, role, POINTS, size=size, opacity=opacity, texts=texts, trials=numbers)


def cost_table(data: StudyData, most: int = 12) -> Table | None:
    """The trials of the front."""
    column = seconds_column(data)
    rows = []
    for _, row in _front(data).tail(most).iterrows():
        number = int(row["number"])
        cells = {
            "trial": str(number),
            heading(column): figure(column, row[column]),
            data.objective.heading: data.figure(data.objective.name, row["best_value"]),
            heading("test_top1"): data.figure("test_top1", row["test_top1"]),
            "unlike the recipe": differs_in_words(data, number),
        }
        rows.append((cells, "best" if data.mark(number) == "best" else ""))
    return table_of("The best for their time", rows, data.interval_note, text_columns=(0, 4))
