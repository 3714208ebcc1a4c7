"""The documented columns of both tables: names that stay, types and meanings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from trainers.metrics import METRICS

INTEGER, NUMBER, TEXT, TIME, FLAG = "Int64", "float64", "str", "datetime64[us]", "boolean"
PARAMETER_PREFIX = "params_"


@dataclass(frozen=True)
class Column:
    """A column's name, pandas type and meaning with its unit."""

    name: str
    dtype: str
    meaning: str


def _metric(name: str, note: str = "") -> Column:
    """Return a metric's column; counts are whole, whatever they are shown in."""
    metric = METRICS[name]
    unit = "" if metric.integer else metric.unit
    words = [metric.label, unit, note]
    return Column(name, INTEGER if metric.integer else NUMBER, ", ".join(filter(None, words)))


def _spread(name: str) -> Column:
    """Return the spread over batches of an epoch's metric."""
    return Column(f"{name}_std", NUMBER, f"its spread over batches{_unit(name)}")


def _unit(name: str) -> str:
    return f", {METRICS[name].unit}" if METRICS[name].unit else ""


_BEST, _LOSS, _CHANGING = "at the best epoch (folder)", "mean over images", "while weights changed"

TRIAL_COLUMNS = (
    Column("number", INTEGER, "trial number, from 0; 0 is the baseline"),
    Column(
        "state",
        TEXT,
        "COMPLETE, PRUNED, FAIL, RUNNING, WAITING as Optuna has it, or PAUSED",
    ),
    Column("reason", TEXT, "why it ended; a copy of trial N has the figures and the cost of N"),
    Column("value", NUMBER, "Optuna's value: the objective of a completed trial"),
    Column("best_value", NUMBER, "the objective at its best epoch so far, of any trial"),
    _metric("best_epoch", "of the objective, from 1"),
    _metric("val_top1", _BEST),
    _metric("val_top5", _BEST),
    _metric("val_loss", f"{_LOSS}, {_BEST}"),
    _metric("train_top1", f"{_CHANGING}, {_BEST}"),
    _metric("train_loss", f"{_LOSS}, {_BEST}"),
    _metric("test_top1", "weights of the best epoch; completed trials only"),
    _metric("test_top5"),
    _metric("test_loss", _LOSS),
    _metric("test_loss_batch_sum"),
    _metric("epochs", "run and reported"),
    _metric("seconds", "of a worker, all epochs and their validation"),
    _metric("seconds_per_epoch", "training and validation"),
    _metric("test_seconds"),
    _metric("cpu_seconds"),
    _metric("cpu_utilization", "of one core"),
    _metric("peak_memory_mb", "resident, host"),
    _metric(
        "gpu_utilization", "of the whole card, with all trials on it, mean of a sample each second"
    ),
    _metric("gpu_peak_memory_mb", "of the whole card, with all trials on it"),
    _metric("gpu_own_peak_memory_mb", "of torch, reserved by the trial (its first process) alone"),
    _metric(
        "gpu_power_w", "of the whole card, with all trials on it, mean of a sample each second"
    ),
    _metric(
        "gpu_energy_kj", "of the whole card, with all trials on it, while the trial was at work"
    ),
    _metric("parameters", "weights of the network"),
    _metric("macs", "multiply-accumulates per image"),
    Column("start", TIME, "when it began, local time"),
    Column("end", TIME, "when it ended, local time"),
    Column("seed", INTEGER, "of weights, order, augmentation and dropout"),
    Column("device", TEXT, "cpu or cuda"),
    Column("versions", TEXT, "packages that a curve depends on"),
)

EPOCH_COLUMNS = (
    Column("number", INTEGER, "trial number"),
    Column("epoch", INTEGER, "from 1"),
    Column("value", NUMBER, "the objective, as the study has it"),
    _metric("val_top1"),
    _spread("val_top1"),
    _metric("val_top5"),
    _metric("val_loss", _LOSS),
    _spread("val_loss"),
    _metric("train_top1", _CHANGING),
    _spread("train_top1"),
    _metric("train_top5", _CHANGING),
    _metric("train_loss", _LOSS),
    _spread("train_loss"),
    _metric("lr", "of the epoch"),
    _metric("seconds", "training"),
    _metric("val_seconds"),
)


# Kept also where they are empty; every other column that is empty throughout is left out.
ALWAYS = {
    *("number", "state", "reason", "value", "best_value", "best_epoch", "epochs", "seconds"),
    *("start", "end", "epoch"),
}


def typed(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return ``frame`` with ``columns`` first, in order, each of its type; what is missing is
    empty. Columns that are not among them follow as they are."""
    names = [column.name for column in columns]
    more = [name for name in frame.columns if name not in names]
    full = frame.reindex(columns=[*names, *more])
    return full.astype({column.name: column.dtype for column in columns})


def without_empty(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` without the columns that nobody measured."""
    kept = [
        name
        for name in frame.columns
        if name in ALWAYS or name.startswith(PARAMETER_PREFIX) or frame[name].notna().any()
    ]
    return frame[kept]
