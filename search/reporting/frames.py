"""Trials and epochs of a study as pandas tables. Columns: ``search.reporting.columns``."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from search.common.layout import StudyFolder
from search.record.record import StudyRecord
from search.record.trials import (
    CONTINUES,
    COPY_OF,
    PAUSED,
    RETRY_OF,
    TARGET,
    is_figure,
    is_paused,
)
from search.reporting.columns import (
    EPOCH_COLUMNS,
    FLAG,
    INTEGER,
    NUMBER,
    PARAMETER_PREFIX,
    TEXT,
    TIME,
    TRIAL_COLUMNS,
    Column,
    typed,
)
from search.strategy.reevaluation import CONFIRMED
from trainers.metrics import METRICS, Metric, find_metric

_DOCUMENTED = {column.name: column.dtype for column in TRIAL_COLUMNS if column.dtype != TIME}
_NOT_FIGURES = {TARGET, PAUSED, COPY_OF, RETRY_OF, CONTINUES, CONFIRMED}
_AT_BEST_EPOCH = {"val_top1", "val_top5", "val_loss", "train_top1", "train_loss"}
_OF_AN_EPOCH = {column.name for column in EPOCH_COLUMNS} - _AT_BEST_EPOCH


def make_epochs_frame(
    trials: Sequence[FrozenTrial], folder: StudyFolder | None, objective: Metric
) -> pd.DataFrame:
    """Return one row per trial and epoch that the study has; the rest of it, metrics of a user's
    own too, from the histories.

    The study's values are the objective's, whatever a history says of it.
    """
    rows = [
        (trial.number, step, value)
        for trial in trials
        for step, value in sorted(trial.intermediate_values.items())
    ]
    frame = pd.DataFrame(rows, columns=["number", "epoch", "value"])
    if folder is not None and rows:
        histories = read_histories(folder, map(int, frame["number"].unique()))
        histories = histories.drop(columns="value", errors="ignore")
        frame = frame.merge(histories, on=["number", "epoch"], how="left")
    frame[objective.name] = frame["value"]
    return typed(frame, EPOCH_COLUMNS)


def read_histories(folder: StudyFolder, numbers: Iterable[int]) -> pd.DataFrame:
    """Return all rows of all ``history.csv`` files that exist, with a column ``number``; one
    parse for all files of the same columns.

    A row that a crash tore, or that is no row of numbers, is left out. An epoch written twice
    counts as its last.
    """
    bodies: dict[str, list[str]] = {}
    for number in numbers:
        header, rows = _lines(folder, number)
        if header:
            bodies.setdefault(header, []).extend(f"{number},{row}" for row in rows)
    tables = [_parse(header, rows) for header, rows in bodies.items() if rows]
    if not tables:
        return pd.DataFrame({"number": [], "epoch": []}, dtype="int64")
    whole = pd.concat(tables, ignore_index=True).dropna(subset=["epoch"])
    whole = whole.astype({"number": "int64", "epoch": "int64"})
    return whole.drop_duplicates(["number", "epoch"], keep="last")


def _lines(folder: StudyFolder, number: int) -> tuple[str, list[str]]:
    """Return header and whole rows of one history; an empty header when there is none."""
    try:
        text = folder.history(number).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", []
    header, *rows = text.splitlines() or [""]
    if "epoch" not in header.split(","):
        return "", []
    torn = not text.endswith("\n")
    commas = header.count(",")
    return header, [row for row in (rows[:-1] if torn else rows) if row.count(",") == commas]


def _parse(header: str, rows: list[str]) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO("\n".join([f"number,{header}", *rows])), low_memory=False)
    return table.apply(pd.to_numeric, errors="coerce")


def make_trials_frame(
    trials: Sequence[FrozenTrial],
    record: StudyRecord | None,
    epochs: pd.DataFrame,
    objective: Metric,
) -> pd.DataFrame:
    """Return one row per trial: outcome, parameters, figures, cost, provenance; the epochs'
    figures are those of its best epoch."""
    shared = {} if record is None else _shared(record)
    rows = [shared | _trial_row(trial, objective) for trial in trials]
    frame = pd.DataFrame(rows, index=pd.RangeIndex(len(rows)))
    if len(frame) and len(epochs):
        taken = _OF_AN_EPOCH | set(frame.columns)
        found = epochs[["number", "epoch", *(c for c in epochs.columns if c not in taken)]]
        found = found.rename(columns={"epoch": "best_epoch"})
        whole = frame.astype({"best_epoch": INTEGER, "number": INTEGER})
        frame = whole.merge(found, on=["number", "best_epoch"], how="left")
    if objective.name in METRICS:
        frame[objective.name] = frame["best_value"]
    return typed(frame, trial_columns(trials))


def _shared(record: StudyRecord) -> dict[str, Any]:
    """Return what is the same for all trials."""
    versions = record.provenance.versions.items()
    return {
        "seed": record.space.fixed.get("seed"),
        "device": record.execution.device,
        "versions": ", ".join(f"{name} {version}" for name, version in versions),
    }


def trial_columns(trials: Sequence[FrozenTrial]) -> tuple[Column, ...]:
    """Return the documented columns, with one per parameter after the reason, of the narrowest
    type that holds every value of all its distributions."""
    kinds: dict[str, set[type]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            choices = getattr(distribution, "choices", (trial.params[name],))
            kinds.setdefault(name, set()).update(map(type, choices))
    note = "parameter; empty where it did not apply"
    parameters = (Column(PARAMETER_PREFIX + n, _dtype(found), note) for n, found in kinds.items())
    return (*TRIAL_COLUMNS[:3], *parameters, *TRIAL_COLUMNS[3:])


def _dtype(kinds: set[type]) -> str:
    if kinds <= {bool}:
        return FLAG
    if kinds <= {int}:
        return INTEGER
    return NUMBER if kinds <= {int, float} else TEXT


def _trial_row(trial: FrozenTrial, objective: Metric) -> dict[str, Any]:
    steps = list(trial.intermediate_values)
    values = list(trial.intermediate_values.values())
    best = objective.best_index(values)
    return {
        **_figures(trial.user_attrs),
        **{PARAMETER_PREFIX + name: _plain(value) for name, value in trial.params.items()},
        **({"seed": trial.params["seed"]} if "seed" in trial.params else {}),
        "number": trial.number,
        "state": "PAUSED" if is_paused(trial) else trial.state.name,
        "value": trial.value,
        "best_value": trial.value if best is None else values[best],
        "best_epoch": None if best is None else steps[best],
        "epochs": len(values),
        "start": trial.datetime_start,
        "end": trial.datetime_complete,
    }


def _figures(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that have a column, and every other one that is a number: what a
    training function of the user's own returned."""
    found = {}
    for key, value in attributes.items():
        name = find_metric(key).name
        dtype = _DOCUMENTED.get(name, NUMBER)
        if dtype == TEXT:
            found[name] = str(value)
        elif key not in _NOT_FIGURES and _is_number(value, dtype):
            found[name] = value
    return found


def _is_number(value: Any, dtype: str) -> bool:
    if not is_figure(value):
        return False
    return dtype != INTEGER or float(value).is_integer()


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)
