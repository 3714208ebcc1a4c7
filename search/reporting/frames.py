"""Trials and epochs of a study as pandas tables. Columns: ``search.reporting.columns``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from search.common.layout import StudyFolder
from search.reporting.columns import (
    EPOCH_COLUMNS,
    FLAG,
    INTEGER,
    NUMBER,
    PARAMETER_PREFIX,
    RENAMED,
    TEXT,
    TRIAL_COLUMNS,
    Column,
    typed,
)
from search.reporting.histories import read_histories

_AT_BEST_EPOCH = ("val_top5", "val_loss", "train_top1", "train_loss")
_RECORDED = tuple(
    column.name for column in TRIAL_COLUMNS if column.dtype in (NUMBER, INTEGER, TEXT)
)


def make_epochs_frame(trials: Sequence[FrozenTrial], folder: StudyFolder | None) -> pd.DataFrame:
    """One row per trial and epoch that the study has; the rest of it from the histories."""
    rows = [
        (trial.number, step, value)
        for trial in trials
        for step, value in sorted(trial.intermediate_values.items())
    ]
    frame = pd.DataFrame(rows, columns=["number", "epoch", "val_top1"])
    if folder is not None and rows:
        numbers = frame["number"].unique()
        histories = read_histories(folder, map(int, numbers)).drop(
            columns="val_top1", errors="ignore"
        )
        frame = frame.merge(histories, on=["number", "epoch"], how="left")
    return typed(frame, EPOCH_COLUMNS)


def make_trials_frame(
    trials: Sequence[FrozenTrial],
    attributes: Mapping[str, Any],
    epochs: pd.DataFrame,
    direction: StudyDirection = StudyDirection.MAXIMIZE,
) -> pd.DataFrame:
    """One row per trial: outcome, parameters, figures, cost, origin."""
    recipe = attributes.get("identity", {}).get("recipe", {})
    shared = {
        "seed": recipe.get("seed"),
        "device": attributes.get("execution", {}).get("device"),
        "versions": versions_text(attributes),
    }
    rows = [shared | _trial_row(trial, direction) for trial in trials]
    frame = pd.DataFrame(rows, index=pd.RangeIndex(len(rows)))
    return typed(_with_best_epochs(frame, epochs), trial_columns(trials))


def versions_text(attributes: Mapping[str, Any]) -> str:
    """``torch 2.14.1, optuna 5.0.0``."""
    versions = attributes.get("provenance", {}).get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items())


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


def _trial_row(trial: FrozenTrial, direction: StudyDirection) -> dict[str, Any]:
    figures = {RENAMED.get(key, key): value for key, value in trial.user_attrs.items()}
    values = trial.intermediate_values
    best = best_step(values, direction)
    return {
        **{name: figures[name] for name in _RECORDED if name in figures},
        **{PARAMETER_PREFIX + name: _plain(value) for name, value in trial.params.items()},
        **({"seed": trial.params["seed"]} if "seed" in trial.params else {}),
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.value,
        "val_top1": trial.value if best is None else values[best],
        "best_epoch": best,
        "epochs": len(values),
        "start": trial.datetime_start,
        "end": trial.datetime_complete,
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float)) else str(value)


def best_step(
    values: Mapping[int, float], direction: StudyDirection = StudyDirection.MAXIMIZE
) -> int | None:
    """The step of the best value, the first of equals; None when no value is a number."""
    sign = 1 if direction == StudyDirection.MINIMIZE else -1
    real = [(sign * v, step) for step, v in values.items() if math.isfinite(v)]
    return min(real)[1] if real else None


def _with_best_epochs(frame: pd.DataFrame, epochs: pd.DataFrame) -> pd.DataFrame:
    """What the histories have of each trial's best epoch beside it."""
    if frame.empty or epochs.empty:
        return frame
    found = epochs[["number", "epoch", *_AT_BEST_EPOCH]].rename(columns={"epoch": "best_epoch"})
    return frame.astype({"best_epoch": INTEGER, "number": INTEGER}).merge(
        found, on=["number", "best_epoch"], how="left"
    )
