"""Accuracy against the seconds it took: what is worth its time."""

from __future__ import annotations

import pandas as pd

from search.common.formatting import settings
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
from search.reporting.section import Section, section
from search.reporting.sections.classes import changed
from search.reporting.study_data import StudyData
from search.reporting.table import BEST as BEST_ROW
from search.reporting.table import PLAIN, Row, Table
from search.reporting.texts import figure, heading, missing, percent


def cost(data: StudyData) -> Section | None:
    """Section 6 of the page."""
    lead = "The line joins the completed trials that no other one beats in both."
    return section("cost", "Cost", [cost_chart(data), cost_table(data)], lead)


def _spent(data: StudyData) -> pd.DataFrame:
    """The trials whose cost and accuracy are known."""
    known = (data.trials[seconds_column(data)] > 0) & data.trials["val_top1"].notna()
    return data.trials[known & data.is_accuracy]


def _front(data: StudyData) -> pd.DataFrame:
    spent = _spent(data)
    return pareto_front(spent[spent["state"] == "COMPLETE"], seconds_column(data))


def seconds_column(data: StudyData) -> str:
    """On a GPU the seconds it was held, on a CPU those of the processor."""
    on_gpu = data.trials["device"].eq("cuda").any()
    return "seconds" if on_gpu or data.trials["cpu_seconds"].isna().all() else "cpu_seconds"


def pareto_front(completed: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows that no other beats in both seconds and accuracy, the quickest first."""
    ordered = completed.sort_values([column, "val_top1"], ascending=[True, False])
    better = ordered["val_top1"] > ordered["val_top1"].cummax().shift(fill_value=-1.0)
    return ordered[better]


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
        x, y = front[column].tolist(), front["val_top1"].tolist()
        series.append(Series("best for its time", x, y, COMPLETE, STEPS, width=1.5))
    for name, role, trial in (("recipe", RECIPE, data.recipe), ("best", BEST, data.best)):
        if trial is not None:
            rows = spent[spent["number"] == trial.number]
            if len(rows):
                series.append(_points(data, name, role, rows, column, size=11))
    unit = "GPU" if column == "seconds" and data.trials["device"].eq("cuda").any() else "CPU"
    title = (
        f"{unit} time of the trial (s)" if column == "cpu_seconds" or unit == "GPU" else "time (s)"
    )
    panel = Panel("", Axis(title, log=True), Axis(data.metric), tuple(series), height=420)
    return chart("cost", "Accuracy against cost", [panel], wide=True)


def _points(
    data: StudyData, name: str, role: str, rows: pd.DataFrame, column: str, size: float = 7
) -> Series:
    texts = [f"trial {n}: {settings(data.frozen[n].params)}" for n in rows["number"]]
    x, y = rows[column].tolist(), rows["val_top1"].tolist()
    opacity = 0.55 if role == PRUNED else 1.0
    return Series(name, x, y, role, POINTS, size=size, opacity=opacity, texts=texts)


def cost_table(data: StudyData, most: int = 12) -> Table | None:
    """The trials of the front."""
    front = _front(data)
    if front.empty:
        return None
    column = seconds_column(data)
    rows = []
    for _, row in front.tail(most).iterrows():
        number = int(row["number"])
        is_recipe = data.recipe is not None and number == data.recipe.number
        words = "the recipe" if is_recipe else settings(changed(data, number))
        test = percent(row["test_top1"]) if not missing(row["test_top1"]) else "–"
        cells = (str(number), figure(column, row[column]), percent(row["val_top1"]), test, words)
        is_best = data.best is not None and number == data.best.number
        rows.append(Row(cells, BEST_ROW if is_best else PLAIN))
    headings = ("trial", heading(column), heading("val_top1"), heading("test_top1"), "setting")
    text = frozenset({0, 4})
    return Table("The best for their time", headings, tuple(rows), text_columns=text)
