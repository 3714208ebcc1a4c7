"""The columns of the two tables: names that stay, types and meanings. The one place for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

INTEGER, NUMBER, TEXT, TIME, FLAG = "Int64", "float64", "str", "datetime64[us]", "boolean"
PARAMETER_PREFIX = "params_"
RENAMED = {"wall_seconds": "seconds"}  # as trials and references name a figure: its column
PUBLISHED_AS = {column: name for name, column in RENAMED.items()}


@dataclass(frozen=True)
class Column:
    """A column's name, pandas type and meaning with its unit."""

    name: str
    dtype: str
    meaning: str


TRIAL_COLUMNS = (
    Column("number", INTEGER, "trial number, from 0; 0 is the report's recipe"),
    Column("state", TEXT, "Optuna's state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING"),
    Column("reason", TEXT, "why it ended"),
    Column("value", NUMBER, "Optuna's value: % top-1 on the validation split"),
    Column("val_top1", NUMBER, "%, best epoch so far, validation split"),
    Column("val_top5", NUMBER, "%, at that epoch (from the trial's folder)"),
    Column("val_loss", NUMBER, "mean over images, at that epoch (folder)"),
    Column("train_top1", NUMBER, "%, at that epoch, while the weights changed (folder)"),
    Column("train_loss", NUMBER, "mean over images, at that epoch (folder)"),
    Column("test_top1", NUMBER, "%, test set, weights of the best epoch; completed trials only"),
    Column("test_top5", NUMBER, "%, test set"),
    Column("test_loss", NUMBER, "mean over images, test set"),
    Column("test_loss_batch_sum", NUMBER, "sum of batch means / images, test set (report D)"),
    Column("best_epoch", INTEGER, "the epoch of val_top1, from 1"),
    Column("epochs", INTEGER, "epochs run and reported"),
    Column("seconds", NUMBER, "s of a worker, all epochs and their validation"),
    Column("seconds_per_epoch", NUMBER, "s, training and validation"),
    Column("test_seconds", NUMBER, "s for the test set"),
    Column("cpu_seconds", NUMBER, "s of processor time"),
    Column("cpu_utilization", NUMBER, "% of one core"),
    Column("peak_memory_mb", NUMBER, "MiB, resident, host"),
    Column("gpu_utilization", NUMBER, "%, mean of a sample each second"),
    Column("gpu_peak_memory_mb", NUMBER, "MiB, device"),
    Column("gpu_power_w", NUMBER, "W, mean of a sample each second"),
    Column("parameters", INTEGER, "weights of the network"),
    Column("macs", INTEGER, "multiply-accumulates an image"),
    Column("start", TIME, "when it was asked for, local time"),
    Column("end", TIME, "when it was told, local time"),
    Column("seed", INTEGER, "of weights, order, augmentation and dropout"),
    Column("device", TEXT, "cpu or cuda"),
    Column("versions", TEXT, "packages that a curve depends on"),
)

EPOCH_COLUMNS = (
    Column("number", INTEGER, "trial number"),
    Column("epoch", INTEGER, "from 1"),
    Column("val_top1", NUMBER, "%, as the study has it"),
    Column("val_top1_std", NUMBER, "%, spread over batches"),
    Column("val_top5", NUMBER, "%"),
    Column("val_loss", NUMBER, "mean over images"),
    Column("val_loss_std", NUMBER, "spread over batches"),
    Column("train_top1", NUMBER, "%, while the weights changed"),
    Column("train_top1_std", NUMBER, "%, spread over batches"),
    Column("train_top5", NUMBER, "%, while the weights changed"),
    Column("train_loss", NUMBER, "mean over images"),
    Column("train_loss_std", NUMBER, "spread over batches"),
    Column("lr", NUMBER, "learning rate of the epoch"),
    Column("seconds", NUMBER, "s, training"),
    Column("val_seconds", NUMBER, "s, validation"),
)


def typed(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """``frame`` with just ``columns``, in order, each of its type; what is missing is empty."""
    full = frame.reindex(columns=[column.name for column in columns])
    return full.astype({column.name: column.dtype for column in columns})
