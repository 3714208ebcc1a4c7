"""Values as texts: the same figures look the same in every table."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from search.common.formatting import duration, number

NOTHING = "–"


def missing(value: Any) -> bool:
    """None, NaN and pandas' NA; infinity is a value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def percent(value: Any) -> str:
    """Two decimals; the heading says %."""
    return NOTHING if missing(value) else f"{value:.2f}"


def whole_percent(value: Any) -> str:
    return NOTHING if missing(value) else f"{value:.0f}"


def loss(value: Any) -> str:
    return NOTHING if missing(value) else f"{value:.4f}"


def seconds(value: Any) -> str:
    """Three digits or more: ``0.044``, ``8.13``, ``1,204``."""
    if missing(value):
        return NOTHING
    return (
        f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if value < 100 else f"{value:.0f}"
    )


def count(value: Any) -> str:
    return NOTHING if missing(value) else f"{int(value):,}"


def millions(value: Any) -> str:
    return NOTHING if missing(value) else f"{value / 1e6:.3f}"


def setting(value: Any) -> str:
    """A hyperparameter's value."""
    return NOTHING if missing(value) else number(value)


def time_span(value: Any) -> str:
    return NOTHING if missing(value) else duration(value)


FORMATS = {
    "val_top1": percent,
    "val_top5": percent,
    "test_top1": percent,
    "test_top5": percent,
    "test_error": percent,
    "train_top1": percent,
    "val_loss": loss,
    "test_loss": loss,
    "test_loss_batch_sum": loss,
    "train_loss": loss,
    "seconds": seconds,
    "wall_seconds": seconds,
    "class_top1": percent,
    "seconds_per_epoch": seconds,
    "test_seconds": seconds,
    "cpu_seconds": seconds,
    "cpu_utilization": whole_percent,
    "gpu_utilization": whole_percent,
    "peak_memory_mb": count,
    "gpu_peak_memory_mb": count,
    "gpu_power_w": whole_percent,
    "parameters": millions,
    "macs": millions,
    "epochs": count,
    "best_epoch": count,
}

HEADINGS = {
    "val_top1": "validation top-1 (%)",
    "val_top5": "validation top-5 (%)",
    "test_top1": "test top-1 (%)",
    "test_top5": "test top-5 (%)",
    "test_error": "test error (%)",
    "train_top1": "training top-1 (%)",
    "val_loss": "validation loss",
    "test_loss": "test loss",
    "test_loss_batch_sum": "test loss, batch means / images",
    "train_loss": "training loss",
    "seconds": "time (s)",
    "wall_seconds": "time (s)",
    "seconds_per_epoch": "time per epoch (s)",
    "test_seconds": "test time (s)",
    "cpu_seconds": "CPU time (s)",
    "cpu_utilization": "CPU utilisation (%)",
    "gpu_utilization": "GPU utilisation (%)",
    "peak_memory_mb": "memory (MiB)",
    "gpu_peak_memory_mb": "GPU memory (MiB)",
    "gpu_power_w": "GPU power (W)",
    "parameters": "parameters (M)",
    "macs": "MACs (M)",
    "epochs": "epochs",
    "best_epoch": "best epoch",
}


def figure(metric: str, value: Any) -> str:
    """A figure of the table ``FORMATS``; any other in the fewest digits."""
    return FORMATS.get(metric, setting)(value)


def heading(metric: str) -> str:
    """A figure's name with its unit."""
    return HEADINGS.get(metric, metric.replace("_", " "))
