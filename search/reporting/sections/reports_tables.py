"""The reports' own tables, made from whatever varied: by value, switches, models, classes."""

from __future__ import annotations

import pandas as pd

from search.reporting.columns import PARAMETER_PREFIX, PUBLISHED_AS
from search.reporting.section import Block, Section, section
from search.reporting.sections.by_value import by_value, switches
from search.reporting.sections.classes import per_class
from search.reporting.sections.completed import completed, discrete, parameters_of
from search.reporting.sections.models import models
from search.reporting.study_data import StudyData
from search.reporting.table import BEST, PLAIN, PUBLISHED, RECIPE, Row, Table, drop_empty_columns
from search.reporting.texts import figure, heading, setting

MOST_TRIALS = 15
LEADING = ("val_top1", "test_top1", "test_top5", "test_loss", "train_top1", "best_epoch", "seconds")


def reports_tables(data: StudyData) -> Section | None:
    """Section 2 of the page."""
    blocks: list[Block | None] = [leading(data)]
    if data.is_accuracy:
        blocks += [by_value(data, name) for name in discrete(data, at_least=3)]
        blocks += [switches(data), models(data), per_class(data)]
    return section("tables", "The reports' tables", blocks)


def leading(data: StudyData) -> Table | None:
    """Loss, top-1 and top-5 of the completed trials, the published figures above (report E)."""
    done = completed(data)
    if done.empty:
        return None
    names = parameters_of(data)
    rows = []
    if data.published:
        found = {metric: data.published.get(PUBLISHED_AS.get(metric, metric)) for metric in LEADING}
        cells = [figure(metric, value) for metric, value in found.items()]
        rows.append(Row(("published", *cells, *[""] * len(names)), PUBLISHED))
    shown = done.head(MOST_TRIALS)
    if data.recipe is not None and data.recipe.number not in set(shown["number"]):
        shown = pd.concat([shown, done[done["number"] == data.recipe.number]])
    for _, row in shown.iterrows():
        cells = [figure(metric, row[metric]) for metric in LEADING]
        settings = [setting(row[PARAMETER_PREFIX + name]) for name in names]
        rows.append(Row((str(row["number"]), *cells, *settings), _mark(data, row["number"])))
    headings = ("trial", *map(heading, LEADING), *names)
    if not data.is_accuracy:
        headings = ("trial", data.metric, *headings[2:])
    caption = f"{len(shown)} of {len(done)} completed trials" if len(done) > len(shown) else ""
    table = Table("Completed trials", headings, tuple(rows), caption)
    return drop_empty_columns(table)


def _mark(data: StudyData, number: int) -> str:
    if data.best is not None and number == data.best.number:
        return BEST
    return RECIPE if data.recipe is not None and number == data.recipe.number else PLAIN
