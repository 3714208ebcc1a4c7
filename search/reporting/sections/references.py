"""Every published figure beside the trial that it can be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from search.reporting.columns import RENAMED
from search.reporting.study_data import StudyData
from search.reporting.table import BEST, PLAIN, Row, Table
from search.reporting.texts import NOTHING, figure, heading, setting

NOT_OF_A_TRIAL = {"class", "layer"}  # settings with a table of their own, or with none here


def published(data: StudyData) -> Table | None:
    """Every published figure beside the trial with just that setting, where there is one."""
    rows = []
    for reference in data.references:
        if NOT_OF_A_TRIAL & set(reference["setting"]):
            continue
        trial = trial_with(data, reference["setting"])
        metric = reference["metric"]
        ours = None if trial is None else measured(data.row(trial), metric)
        changed = ", ".join(f"{k} = {setting(v)}" for k, v in reference["setting"].items())
        cells = (
            heading(metric),
            changed or "the recipe",
            figure(metric, reference["value"]),
            figure(metric, ours) if trial is not None else NOTHING,
            str(trial.number) if trial is not None else NOTHING,
            reference["source"],
        )
        is_best = data.best is not None and trial is data.best
        rows.append(Row(cells, BEST if is_best else PLAIN))
    if not rows:
        return None
    headings = ("figure", "setting", "published", "this study", "trial", "source")
    return Table(
        "All published figures",
        headings,
        tuple(rows),
        "This study: the completed trial with the recipe's values and just this setting.",
        frozenset({0, 1, 5}),
    )


def measured(row: pd.Series, metric: str) -> Any:
    """A trial's figure by the name that references have for it; None where it has none."""
    if metric == "test_error":
        return 100 - row["test_top1"]
    name = RENAMED.get(metric, metric)
    return row[name] if name in row.index else None


def trial_with(data: StudyData, changed: Mapping[str, Any]) -> FrozenTrial | None:
    """The completed trial that is the recipe but for ``changed``."""
    baseline = data.attributes.get("baseline", {})
    fixed = data.attributes.get("identity", {}).get("recipe", {})
    for name, value in changed.items():
        if name not in baseline and fixed.get(name) != value:
            return None
    wanted = {name: changed.get(name, value) for name, value in baseline.items()}
    for trial in data.frozen:
        if trial.state == TrialState.COMPLETE and trial.params == wanted:
            return trial
    return None
