"""Figures as texts, tick marks."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from search.reporting.format import figure, heading


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
