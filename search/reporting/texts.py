"""Values as texts: the same figures look the same in every table."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from search.common.formatting import duration, number
from trainers.metrics import find_metric

NOTHING = "–"


def missing(value: Any) -> bool:
    """None, NaN and pandas' NA; infinity is a value."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def figure(metric: str, value: Any) -> str:
    """A figure as the table of metrics has it; the unit is in the heading."""
    return NOTHING if missing(value) else find_metric(metric).format(value)


def heading(metric: str) -> str:
    """A figure's name with its unit."""
    return find_metric(metric).heading


def count(value: Any) -> str:
    return NOTHING if missing(value) else f"{int(value):,}"


def whole_percent(value: Any) -> str:
    return NOTHING if missing(value) else f"{value:.0f}"


def setting(value: Any) -> str:
    """A hyperparameter's value."""
    return NOTHING if missing(value) else number(value)


def time_span(value: Any) -> str:
    return NOTHING if missing(value) else duration(value)
