"""What a search had spent when each trial ended, and what its best trials are worth their time."""

from __future__ import annotations

import math

import pandas as pd

from search.record.trials import continued, is_copy
from search.reporting.study_data import StudyData
from trainers.metrics import Metric


def seconds_column(data: StudyData) -> str:
    """Return the column of a trial's cost: on a GPU the seconds it was held, on a CPU those of
    the processor."""
    on_gpu = data.trials["device"].eq("cuda").any()
    return "seconds" if on_gpu or data.trials["cpu_seconds"].isna().all() else "cpu_seconds"


def spent_by_end(data: StudyData) -> pd.DataFrame:
    """Return the trials that ended, in that order, with ``epochs_spent`` and ``seconds_spent`` by
    then. A copy of another trial has its figures and cost nothing; what was continued as another
    trial is counted there."""
    ended = data.trials[data.trials["end"].notna()].sort_values("end")
    free = {t.number for t in data.frozen if is_copy(t)} | continued(data.frozen)
    trained = ~ended["number"].isin(free)
    epochs = ended["epochs"].astype(float).where(trained, 0.0).cumsum()
    seconds = ended[seconds_column(data)].fillna(0.0).where(trained, 0.0).cumsum()
    return ended.assign(epochs_spent=epochs, seconds_spent=seconds)


def best_so_far(data: StudyData) -> pd.DataFrame:
    """Return the trials that ended from the first completed one on, as ``spent_by_end``, with
    ``best``, the best value of a completed trial by then."""
    ended = spent_by_end(data)
    values = ended["value"].where(ended["state"] == "COMPLETE")
    best = (values.cummin() if data.objective.sign > 0 else values.cummax()).ffill()
    return ended.assign(best=best)[best.notna()]


def pareto_front(completed: pd.DataFrame, column: str, objective: Metric) -> pd.DataFrame:
    """Return the rows that no other beats in both seconds and the objective, the quickest
    first."""
    lower = objective.sign * completed["best_value"]
    ordered = completed.assign(lower=lower).sort_values([column, "lower"])
    better = ordered["lower"] < ordered["lower"].cummin().shift(fill_value=math.inf)
    return ordered[better].drop(columns="lower")
