"""Every trial in a row, the best first, and what the page's panel says of each."""

from __future__ import annotations

import shlex
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.common.locations import where
from search.record.trials import is_paused
from search.reporting.blocks import (
    REFERENCE,
    Row,
    Section,
    Table,
    drop_empty_columns,
    fold_constant_columns,
    section,
)
from search.reporting.columns import PARAMETER_PREFIX, TRIAL_COLUMNS
from search.reporting.figures import short
from search.reporting.format import count, figure, heading, missing, setting, time_span
from search.reporting.study_data import StudyData
from trainers.metrics import find_metric
from trainers.user_code import names_file

MOST_TRIALS, BRIEF = 1_000, 15
FIGURES = ("test_top5", "test_loss", "train_top1", "best_epoch", "seconds")
_DOCUMENTED = {column.name for column in TRIAL_COLUMNS}


def trials(data: StudyData) -> Section | None:
    return section("trials", "Trials", [trials_table(data)])


def listed(data: StudyData) -> pd.DataFrame:
    """Return rows of the trials, the best first: those that completed, the others by what they
    reached; of very many the first of these, and the baseline."""
    done = [trial.number for trial in data.ranked]
    others = data.trials.drop(index=done)
    others = others.assign(lower=data.objective.sign * others["best_value"]).sort_values("lower")
    whole = pd.concat([data.trials.iloc[done], others.drop(columns="lower")])
    shown, missed = whole.head(MOST_TRIALS), whole.iloc[MOST_TRIALS:]
    return pd.concat([shown, missed[missed["number"].map(lambda n: data.is_baseline(int(n)))]])


def trials_table(data: StudyData) -> Table | None:
    """Return outcome, parameters and figures of each trial, metrics of a user's own too; what is
    the same for all stands below."""
    shown, objective = listed(data), data.objective
    names = [c.removeprefix(PARAMETER_PREFIX) for c in shown if c.startswith(PARAMETER_PREFIX)]
    own = [c for c in shown if c not in _DOCUMENTED and not c.startswith(PARAMETER_PREFIX)]
    first = ["test_top1"] if objective.name != "test_top1" else []
    more = [*own, *FIGURES]
    rows = []
    if data.baseline_references:
        found = data.baseline_references
        before = [figure(m, found.get(m)) for m in (objective.name, *first)]
        after = [figure(m, found.get(m)) for m in more]
        cells = ("published", "", "", *before, *[""] * len(names), *after)
        rows.append(Row(cells, REFERENCE))
    for _, row in shown.iterrows():
        number = int(row["number"])
        value = row["value"] if row["state"] == "COMPLETE" else row["best_value"]
        cells = (
            *(str(number), row["state"].lower(), count(row["epochs"]), figure(objective, value)),
            *(figure(metric, row[metric]) for metric in first),
            *(setting(row[PARAMETER_PREFIX + name]) for name in names),
            *(figure(metric, row[metric]) for metric in more),
        )
        rows.append(Row(cells, data.mark(number)))
    headings = ("trial", "state", "epochs", objective.heading, *map(heading, first))
    headings = (*headings, *names, *map(heading, more))
    bounded = f"{len(shown):,} of {len(data.trials):,} trials. " * (len(shown) < len(data.trials))
    table = Table("All trials", headings, tuple(rows), bounded, frozenset({0, 1}), BRIEF)
    return fold_constant_columns(drop_empty_columns(table))


def ending(trial: FrozenTrial) -> str:
    """Return why a trial ended, or what it does where it has not."""
    if is_paused(trial):
        return f"paused at epoch {trial.last_step}; resumes if it ranks among the best"
    return str(trial.user_attrs.get("reason", trial.state.name.lower()))


def reached(data: StudyData, trial: FrozenTrial) -> list[str]:
    """Return the figures that a trial came to, and what it cost."""
    row, words = data.row(trial), []
    if not missing(row["best_value"]) and not missing(row["best_epoch"]):
        value = data.objective.described(row["best_value"])
        words.append(f"{value} at epoch {row['best_epoch']}")
    if not missing(row["test_top1"]):
        words.append(find_metric("test_top1").described(row["test_top1"]))
    if not missing(row["seconds"]):
        words.append(f"worker time {time_span(row['seconds'])}")
    return words


def replay_command(data: StudyData) -> str:
    """Return the command that trains a trial again, without the number at its end."""
    places = where(data.storage, data.folder.results_dir) if data.storage else ""
    fixed = {} if data.record is None else data.record.space.fixed
    trust = " --trust-code" if any(map(names_file, fixed.values())) else ""
    return f"python -m search.replay --study-name {shlex.quote(data.name)}{places}{trust} --trial "


def trial_details(data: StudyData) -> dict[str, Any]:
    """Return as JSON what the page shows of the trials of its table, by number; ``command`` lacks
    the number at its end."""
    curves = {
        n: curve for n, curve in data.epochs.groupby("number") if curve["value"].notna().any()
    }
    shown = (data.frozen[n] for n in map(int, listed(data)["number"]))
    return {
        "objective": data.objective.heading,
        "baseline": None if data.baseline is None else data.baseline.number,
        "command": replay_command(data),
        "trials": {t.number: _details(data, t, curves.get(t.number)) for t in shown},
    }


def _details(data: StudyData, trial: FrozenTrial, curve: Any) -> dict[str, Any]:
    old = {} if data.baseline is None else data.baseline.params
    differs = data.changed(trial.number)
    return {
        "lines": [ending(trial), *reached(data, trial)],
        "differs": [[name, setting(old.get(name)), setting(v)] for name, v in differs.items()],
        "epochs": [] if curve is None else curve["epoch"].tolist(),
        "values": [] if curve is None else list(map(short, curve["value"].tolist())),
        "replays": data.record is not None and curve is not None,
    }
