"""Figures as texts, tick marks."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from search.reporting.texts import figure, heading
from search.reporting.ticks import log_ticks


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("test_top1", 84.3567, "84.36"),
        ("test_loss", 0.50812, "0.5081"),
        ("seconds", 0.04434, "0.0443"),
        ("seconds", 33.66, "33.7"),
        ("seconds", 18840, "18,840"),
        ("parameters", 23_520_842, "23.521"),
        ("peak_memory_mb", 7500.4, "7,500"),
        ("lr", 0.000123456, "0.0001235"),
        ("test_top1", math.nan, "–"),
        ("epochs", pd.NA, "–"),
        ("test_loss", None, "–"),
    ],
)
def test_figures(metric: str, value: float, text: str) -> None:
    assert figure(metric, value) == text


def test_an_unknown_figure_is_named_as_it_is() -> None:
    assert heading("epochs_until_stable_low") == "epochs until stable low"


def test_a_decade_or_two_is_marked_at_1_2_5() -> None:
    assert [label for _, label in log_ticks([0.02, 0.3])] == ["0.02", "0.05", "0.1", "0.2"]


def test_many_decades_are_marked_alone() -> None:
    marks = log_ticks([1e-6, 1.0])
    assert [value for value, _ in marks] == [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]
    assert [label for _, label in marks][:3] == ["10⁻⁶", "10⁻⁵", "0.0001"]


def test_one_value_has_marks_around_it() -> None:
    assert len(log_ticks([0.1])) >= 1
    assert log_ticks([]) == []
