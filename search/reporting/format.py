"""Values as texts: the same figures look the same in every table."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pandas as pd

from search.common.formatting import duration, number
from search.common.statistics import accuracy
from trainers.metrics import Metric, find_metric

NOTHING = "–"


def missing(value: Any) -> bool:
    """Return whether ``value`` is None, NaN or pandas' NA; infinity is a value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def figure(metric: str | Metric, value: Any, images: int | None = None) -> str:
    """Return a figure as the table of metrics formats it; the unit is in the heading.

    ``71.24 (69.1–73.3)`` where it is the accuracy (%) of one run on so many ``images``: with its
    95 % interval.
    """
    if missing(value):
        return NOTHING
    text = (find_metric(metric) if isinstance(metric, str) else metric).format(value)
    if not images or not 0 <= value <= 100:
        return text.replace("-", "−", 1) if text.startswith("-") else text
    low, high = _bounds(round(value * images / 100), images)
    return f"{text} ({low:.1f}–{high:.1f})"


@cache
def _bounds(hits: int, images: int) -> tuple[float, float]:
    """Return the bounds in %. Of a thousand trials many have the same accuracy."""
    found = accuracy(100 * hits / images, images)
    return found.low, found.high


def signed(metric: str | Metric, difference: float) -> str:
    """Return ``+3.10`` or ``−0.50``."""
    return f"{'−' if difference < 0 else '+'}{figure(metric, abs(difference))}"


def heading(metric: str) -> str:
    """Return a figure's name with its unit."""
    return find_metric(metric).heading


def count(value: Any) -> str:
    return NOTHING if missing(value) else f"{int(value):,}"


def whole_percent(value: Any) -> str:
    return NOTHING if missing(value) else f"{value:.0f}"


def setting(value: Any) -> str:
    """Return a hyperparameter's value as text."""
    return NOTHING if missing(value) else number(value)


def time_span(value: Any) -> str:
    return NOTHING if missing(value) else duration(value)
