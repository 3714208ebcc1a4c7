"""Trials and epochs of a study as pandas tables. Columns: ``search.reporting.columns``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from search.common.layout import StudyFolder
from search.record.record import StudyRecord
from search.record.trials import is_paused
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
from search.reporting.histories import read_histories
from trainers.metrics import METRICS, Metric, find_metric

_AT_BEST_EPOCH = ("val_top1", "val_top5", "val_loss", "train_top1", "train_loss")
_RECORDED = {column.name: column.dtype for column in TRIAL_COLUMNS if column.dtype != TIME}


def make_epochs_frame(
    trials: Sequence[FrozenTrial], folder: StudyFolder | None, objective: Metric
) -> pd.DataFrame:
    """One row per trial and epoch that the study has; the rest of it from the histories.

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
        frame = frame.merge(histories, on=["number", "epoch"], how="left")
    frame[objective.name] = frame["value"]
    return typed(frame, EPOCH_COLUMNS)


def make_trials_frame(
    trials: Sequence[FrozenTrial],
    record: StudyRecord | None,
    epochs: pd.DataFrame,
    objective: Metric,
) -> pd.DataFrame:
    """One row per trial: outcome, parameters, figures, cost, origin."""
    shared = {} if record is None else _shared(record)
    rows = [shared | _trial_row(trial, objective) for trial in trials]
    frame = _with_best_epochs(pd.DataFrame(rows, index=pd.RangeIndex(len(rows))), epochs)
    if objective.name in METRICS:
        frame[objective.name] = frame["best_value"]
    return typed(frame, trial_columns(trials))


def _shared(record: StudyRecord) -> dict[str, Any]:
    """What is the same for all trials."""
    versions = record.provenance.versions.items()
    return {
        "seed": record.space.fixed.get("seed"),
        "device": record.execution.device,
        "versions": ", ".join(f"{name} {version}" for name, version in versions),
    }


def trial_columns(trials: Iterable[FrozenTrial]) -> tuple[Column, ...]:
    """The documented columns, with one per parameter after the reason."""
    seen: dict[str, list[BaseDistribution]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            known = seen.setdefault(name, [])
            if distribution not in known:
                known.append(distribution)
    parameters = tuple(
        Column(PARAMETER_PREFIX + name, _dtype(found), "parameter; empty where it did not apply")
        for name, found in seen.items()
    )
    return (*TRIAL_COLUMNS[:3], *parameters, *TRIAL_COLUMNS[3:])


def _dtype(distributions: Iterable[BaseDistribution]) -> str:
    """The narrowest type that holds every value of all ``distributions``."""
    kinds = set().union(*map(_kinds, distributions))
    if kinds <= {bool}:
        return FLAG
    if kinds <= {int}:
        return INTEGER
    return NUMBER if kinds <= {int, float} else TEXT


def _kinds(distribution: BaseDistribution) -> set[type]:
    if isinstance(distribution, FloatDistribution):
        return {float}
    if isinstance(distribution, IntDistribution):
        return {int}
    assert isinstance(distribution, CategoricalDistribution)
    return {type(choice) for choice in distribution.choices}


def _trial_row(trial: FrozenTrial, objective: Metric) -> dict[str, Any]:
    steps = list(trial.intermediate_values)
    values = list(trial.intermediate_values.values())
    best = objective.best_index(values)
    return {
        **_recorded(trial.user_attrs),
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


def _recorded(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that have a column; another program's of the same name may be anything."""
    figures = {find_metric(key).name: value for key, value in attributes.items()}
    return {
        name: str(value) if _RECORDED[name] == TEXT else value
        for name, value in figures.items()
        if name in _RECORDED and (_RECORDED[name] == TEXT or _is_number(value, _RECORDED[name]))
    }


def _is_number(value: Any, dtype: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return dtype != INTEGER or float(value).is_integer()


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)


def _with_best_epochs(frame: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """What the histories have of each trial's best epoch beside it."""
    if frame.empty or epochs.empty:
        return frame
    found = epochs[["number", "epoch", *_AT_BEST_EPOCH]].rename(columns={"epoch": "best_epoch"})
    return frame.astype({"best_epoch": INTEGER, "number": INTEGER}).merge(
        found, on=["number", "best_epoch"], how="left"
    )
