"""Every trial in a row, the best first, the reference figures above (report E's table)."""

from __future__ import annotations

import pandas as pd

from search.reporting.blocks import (
    REFERENCE,
    Row,
    Section,
    Table,
    drop_empty_columns,
    fold_constant_columns,
    section,
)
from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.format import count, figure, heading, setting
from search.reporting.study_data import StudyData

MOST_TRIALS, BRIEF = 1_000, 15
FIGURES = ("test_top1", "test_top5", "test_loss", "train_top1", "best_epoch", "seconds")


def trials(data: StudyData) -> Section | None:
    """Section 2 of the page."""
    return section("trials", "Trials", [trials_table(data)])


def listed(data: StudyData) -> pd.DataFrame:
    """Rows of the trials, the best first: those that completed, the others by what they reached;
    of very many the first of these, and the recipe."""
    done = [trial.number for trial in data.ranked]
    others = data.trials.drop(index=done)
    others = others.assign(lower=data.objective.sign * others["best_value"]).sort_values("lower")
    whole = pd.concat([data.trials.iloc[done], others.drop(columns="lower")])
    shown = whole.head(MOST_TRIALS)
    recipe = -1 if data.recipe is None else data.recipe.number
    missed = whole.iloc[MOST_TRIALS:]
    return pd.concat([shown, missed[missed["number"] == recipe]])


def trials_table(data: StudyData) -> Table | None:
    """Outcome, figures and parameters of each trial; what is the same for all stands below."""
    shown = listed(data)
    names = [c.removeprefix(PARAMETER_PREFIX) for c in shown if c.startswith(PARAMETER_PREFIX)]
    rows = []
    if data.recipe_references:
        found = data.recipe_references
        cells = [figure(m, found.get(m)) for m in (data.objective.name, *FIGURES)]
        rows.append(Row(("reference", "", "", *cells, *[""] * len(names)), REFERENCE))
    for _, row in shown.iterrows():
        value = row["value"] if row["state"] == "COMPLETE" else row["best_value"]
        cells = [data.figure(data.objective.name, value)]
        cells += [data.figure(metric, row[metric]) for metric in FIGURES]
        cells += [setting(row[PARAMETER_PREFIX + name]) for name in names]
        number = int(row["number"])
        state, epochs = row["state"].lower(), count(row["epochs"])
        rows.append(Row((str(number), state, epochs, *cells), data.mark(number)))
    columns = ("trial", "state", "epochs", data.objective.heading, *map(heading, FIGURES))
    bounded = f"{len(shown):,} of {len(data.trials):,} trials. " * (len(shown) < len(data.trials))
    caption = bounded + data.interval_note
    table = Table("All trials", (*columns, *names), tuple(rows), caption, frozenset({0, 1}), BRIEF)
    return fold_constant_columns(drop_empty_columns(table))
