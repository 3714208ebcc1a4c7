"""The table of what can be measured: label, unit, format, direction. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainers.validators import ConfigError, suggest

MAXIMIZE, MINIMIZE = "maximize", "minimize"  # as Optuna names them
TRAINING, VALIDATION, TEST, COST = "training", "validation", "test", "cost"


@dataclass(frozen=True)
class Metric:
    """One figure of an epoch or of a trial.

    ``split`` says on what it is measured; a cost is measured on the machine. ``unit`` is "" where
    there is none. ``text`` is a format specification of Python's, ``scale`` what a value is
    divided by first, for figures shown in thousands or millions. ``direction`` says which way is
    better, None where neither is.
    """

    name: str
    label: str
    unit: str = ""
    split: str = COST
    direction: str | None = None
    text: str = ".4g"
    scale: float = 1.0
    integer: bool = False

    @property
    def heading(self) -> str:
        """The heading of a column, such as ``validation top-1 (%)``."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def selects(self) -> bool:
        """Return whether it may be an objective. The test set never selects."""
        return self.split == VALIDATION and self.direction is not None

    @property
    def sign(self) -> int:
        """1 where lower is better, -1 where higher is: what to multiply by before sorting."""
        return 1 if self.direction == MINIMIZE else -1

    def format(self, value: float) -> str:
        """Return ``93.25`` for an accuracy; the unit is the heading's. Large numbers are whole."""
        text = format(value / self.scale, self.text)
        return format(value / self.scale, ",.0f") if "e+" in text else text

    def quantity(self, value: float) -> str:
        """Return a value with its unit, such as ``93.25 %``."""
        return f"{self.format(value)} {self.unit}".rstrip()

    def described(self, value: float) -> str:
        """Return a value with name and unit, such as ``validation top-1 93.25 %``."""
        return f"{self.label} {self.quantity(value)}"

    def is_better(self, value: float, than: float) -> bool:
        """Return whether ``value`` beats ``than``; a NaN beats nothing, and is beaten by any
        number."""
        if math.isnan(value) or math.isnan(than):
            return math.isnan(than) and not math.isnan(value)
        return self.sign * value < self.sign * than

    @property
    def worst(self) -> float:
        """The value that every other beats."""
        return self.sign * math.inf

    def best_index(self, values: Sequence[float]) -> int | None:
        """Return where the best of ``values`` is, the first of equals; None where none is
        finite."""
        finite = [i for i, value in enumerate(values) if math.isfinite(value)]
        return min(finite, key=lambda i: self.sign * values[i], default=None)


def same(value: Any, other: Any) -> bool:
    """Return whether two figures are the same, one that is not a number being itself."""
    return bool(value == other or (value != value and other != other))


def _accuracy(name: str, label: str, split: str) -> Metric:
    return Metric(name, label, "%", split, MAXIMIZE, ".2f")


def _loss(name: str, label: str, split: str) -> Metric:
    return Metric(name, label, "", split, MINIMIZE, ".4f")


def _time(name: str, label: str) -> Metric:
    return Metric(name, label, "s", COST, MINIMIZE, ",.3g")


def _table(metrics: Iterable[Metric]) -> Mapping[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS: Mapping[str, Metric] = _table(
    (
        _accuracy("val_top1", "validation top-1", VALIDATION),
        _accuracy("val_top5", "validation top-5", VALIDATION),
        _loss("val_loss", "validation loss", VALIDATION),
        _accuracy("train_top1", "training top-1", TRAINING),
        _accuracy("train_top5", "training top-5", TRAINING),
        _loss("train_loss", "training loss", TRAINING),
        _accuracy("test_top1", "test top-1", TEST),
        _accuracy("test_top5", "test top-5", TEST),
        Metric("test_error", "test error", "%", TEST, MINIMIZE, ".2f"),
        _loss("test_loss", "test loss", TEST),
        _loss("test_loss_batch_sum", "test loss (sum of batch means / N)", TEST),
        _accuracy("class_top1", "test top-1 of a class", TEST),
        Metric("lr", "learning rate", split=TRAINING),
        Metric("best_epoch", "best epoch", text=",.0f", integer=True),
        Metric("epochs", "epochs", text=",.0f", integer=True),
        _time("seconds", "time"),
        _time("seconds_per_epoch", "time per epoch"),
        _time("val_seconds", "validation time"),
        _time("test_seconds", "test time"),
        _time("cpu_seconds", "CPU time"),
        Metric("cpu_utilization", "CPU utilisation", "%", text=".0f"),
        Metric("peak_memory_mb", "memory", "MiB", COST, MINIMIZE, ",.0f"),
        Metric("gpu_utilization", "GPU utilisation", "%", text=".0f"),
        Metric("gpu_peak_memory_mb", "GPU memory", "MiB", COST, MINIMIZE, ",.0f"),
        Metric("gpu_own_peak_memory_mb", "GPU memory, own", "MiB", COST, MINIMIZE, ",.0f"),
        Metric("gpu_power_w", "GPU power", "W", COST, MINIMIZE, ".0f"),
        Metric("gpu_energy_kj", "GPU energy", "kJ", COST, MINIMIZE, ",.4g"),
        Metric("parameters", "parameters", "M", COST, MINIMIZE, ".3f", 1e6, integer=True),
        Metric("macs", "MACs", "M", COST, MINIMIZE, ".3f", 1e6, integer=True),
        Metric(
            "macs_with_norm_and_pool",
            "MACs with BatchNorm and pooling",
            "M",
            text=".3f",
            scale=1e6,
            integer=True,
        ),
    )
)

DEFAULT_OBJECTIVE = "val_top1"
# What an objective is called where it is measured on the test set.
TEST_OF: Mapping[str, str] = {
    "val_top1": "test_top1",
    "val_top5": "test_top5",
    "val_loss": "test_loss",
}
ALIASES: Mapping[str, str] = {"wall_seconds": "seconds"}  # what trials and references call it


def find_metric(name: str) -> Metric:
    """Return what a trial or a reference calls ``name``; of a figure that is not in the table, its
    name is all that is known."""
    name = ALIASES.get(name, name)
    return METRICS.get(name) or Metric(name, name.replace("_", " "))


def objective_metric(name: str, option: str = "objective") -> Metric:
    """Return the metric ``name`` of the table. Raises ``ConfigError`` where it may not select; the
    text calls it ``option``."""
    known = [metric.name for metric in METRICS.values() if metric.selects]
    if not isinstance(name, str) or name not in METRICS:
        raise ConfigError(
            f"unknown {option} {name!r}{suggest(name, known)} (known: {', '.join(known)})"
        )
    metric = METRICS[name]
    if not metric.selects:
        raise ConfigError(
            f"{option} must be one of {', '.join(known)}, measured on the validation split, "
            f"got {name!r}: what selects no longer measures"
        )
    return metric


@dataclass(frozen=True)
class Selecting:
    """The rule of an option that names a metric which selects."""

    def check(self, name: str, value: Any) -> str:
        return objective_metric(value, name).name
