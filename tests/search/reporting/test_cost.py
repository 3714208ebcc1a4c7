"""The front of accuracy against time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from search.reporting.sections.cost import pareto_front
from trainers.metrics import METRICS


def test_the_front_is_what_nothing_else_beats() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": range(60),
            "seconds": random.integers(1, 20, 60).astype(float),
            "best_value": random.integers(0, 20, 60).astype(float),
        }
    )
    rows = list(frame.itertuples())
    expected = {
        (a.seconds, a.best_value)
        for a in rows
        if not any(
            (b.seconds <= a.seconds and b.best_value >= a.best_value)
            and (b.seconds < a.seconds or b.best_value > a.best_value)
            for b in rows
        )
    }
    front = pareto_front(frame, "seconds", METRICS["val_top1"])
    assert set(zip(front["seconds"], front["best_value"], strict=True)) == expected
    assert front["best_value"].is_monotonic_increasing
    assert len(front) == len(expected)


def test_where_lower_is_better_the_front_is_the_lowest() -> None:
    frame = pd.DataFrame({"seconds": [1.0, 2.0, 3.0, 3.0], "best_value": [0.9, 1.0, 0.5, 0.4]})
    front = pareto_front(frame, "seconds", METRICS["val_loss"])
    assert front["best_value"].tolist() == [0.9, 0.4]
