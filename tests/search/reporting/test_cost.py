"""The front of accuracy against time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from search.reporting.sections.cost import pareto_front


def test_the_front_is_what_nothing_else_beats() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": range(60),
            "seconds": random.integers(1, 20, 60).astype(float),
            "val_top1": random.integers(0, 20, 60).astype(float),
        }
    )
    rows = list(frame.itertuples())
    expected = {
        (a.seconds, a.val_top1)
        for a in rows
        if not any(
            (b.seconds <= a.seconds and b.val_top1 >= a.val_top1)
            and (b.seconds < a.seconds or b.val_top1 > a.val_top1)
            for b in rows
        )
    }
    front = pareto_front(frame, "seconds")
    assert set(zip(front["seconds"], front["val_top1"], strict=True)) == expected
    assert front["val_top1"].is_monotonic_increasing
    assert len(front) == len(expected)
