"""Completed trials, and which parameters can make the rows of a table."""

from __future__ import annotations

import pandas as pd

from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.study_data import StudyData

MOST_VALUES = 8


def completed(data: StudyData) -> pd.DataFrame:
    """Completed trials, the best first."""
    done = data.trials[data.trials["state"] == "COMPLETE"]
    return done.sort_values(["value", "number"], ascending=[not data.maximize, True])


def parameters_of(data: StudyData) -> list[str]:
    """Names of what varied or could."""
    return [
        name.removeprefix(PARAMETER_PREFIX)
        for name in data.trials.columns
        if name.startswith(PARAMETER_PREFIX)
    ]


def discrete(data: StudyData, at_least: int, at_most: int = MOST_VALUES) -> list[str]:
    """The parameters with a handful of values."""
    counts = {n: data.trials[PARAMETER_PREFIX + n].nunique() for n in parameters_of(data)}
    return [name for name, values in counts.items() if at_least <= values <= at_most]


def processor(data: StudyData) -> str:
    """Whose utilisation and memory are shown: the GPU's where there was one."""
    return "GPU" if data.trials["gpu_utilization"].notna().any() else "CPU"
