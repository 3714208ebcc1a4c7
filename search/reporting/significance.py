"""What two studies came to: in one sentence whether their best trials differ, and what it took to
get as far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from search.common.statistics import Interval, accuracy_difference, difference_of_means
from search.record.trials import continued, is_copy
from search.reporting.format import missing
from search.reporting.sections.cost import seconds_column
from search.reporting.study_data import StudyData
from trainers.metrics import TEST, Metric, find_metric


def difference(first: StudyData, second: StudyData) -> str:
    """``B's best has 1.20 points less test top-1 than A's (95 %: −4.10 to +1.70, one run each on
    360 test images): no difference was shown``; where both were confirmed, by their fresh seeds."""
    names = f"{second.name} and {first.name}"
    if first.best is None or second.best is None:
        return f"{names} do not compare: not both have a completed trial"
    if not _same_data(first, second):
        return f"{names} do not compare: their data differ"
    confirmed = _by_seeds(first, second)
    if confirmed:
        return confirmed
    name = _figure_of_both(first, second)
    if name is None:
        return f"{names} do not compare: their objectives differ, and not both were tested"
    metric = find_metric(name)
    theirs, ours = (float(data.row(data.best)[name]) for data in (first, second) if data.best)
    words = _in_words(first, second, "best", metric, ours - theirs)
    images = first.images(name)
    if images is None or images != second.images(name):
        return f"{words}, one run each: without an interval nothing is shown"
    found = accuracy_difference(ours, theirs, images)
    which = "test" if metric.split == TEST else "validation"
    shown = "no difference was shown" if 0 in found else "they differ"
    return f"{words} (95 %: {_bounds(found)}, one run each on {images:,} {which} images): {shown}"


def _by_seeds(first: StudyData, second: StudyData) -> str:
    """Of the settings that the verdicts chose; empty where not both have one of the same metric."""
    ours, theirs = second.verdict, first.verdict
    if not (ours and theirs and ours.chosen and theirs.chosen and ours.metric == theirs.metric):
        return ""
    found = difference_of_means(ours.chosen, theirs.chosen)
    words = _in_words(first, second, "winner", ours.metric, found.estimate)
    shown = "no difference was shown" if 0 in found else "they differ"
    seeds = f"{ours.chosen.n} and {theirs.chosen.n} fresh seeds"
    return f"{words} (95 %: {_bounds(found)}, {seeds}): {shown}"


def _in_words(first: StudyData, second: StudyData, who: str, metric: Metric, gap: float) -> str:
    size = f"{metric.format(abs(gap))}{' points' if metric.unit == '%' else ''}"
    more = "less" if gap < 0 else "more"
    return f"{second.name}'s {who} has {size} {more} {metric.label} than {first.name}'s"


def _bounds(found: Interval) -> str:
    return f"{found.low:+.2f} to {found.high:+.2f}".replace("-", "−")


def _same_data(first: StudyData, second: StudyData) -> bool:
    records = first.record, second.record
    return None not in records and len({r.data.fingerprint for r in records if r}) == 1


def _figure_of_both(first: StudyData, second: StudyData) -> str | None:
    """What was measured on the test set, which chose nothing; else the objective."""
    if not any(missing(data.row(data.best)["test_top1"]) for data in (first, second) if data.best):
        return "test_top1"
    same = first.objective.name == second.objective.name
    return first.objective.name if same and first.objective.name in first.trials else None


@dataclass(frozen=True)
class Reached:
    """The first trial that completed with a value, and what had been spent by then: trials,
    epochs, workers' (or processors') seconds and seconds on the clock."""

    trial: int
    trials: int
    epochs: int
    seconds: float
    clock: float


def time_to(data: StudyData, value: float) -> Reached | None:
    """When a completed trial had ``value`` or a better one; None where none had."""
    ended = spent_by_end(data)
    good = data.objective.sign * (ended["value"] - value) <= 0
    found = ended[(ended["state"] == "COMPLETE") & good]
    if found.empty:
        return None
    row = found.iloc[0]
    clock = row["end"] - data.trials["start"].min()
    before = int((ended["end"] <= row["end"]).sum())
    return Reached(
        int(row["number"]),
        before,
        int(row["epochs_spent"]),
        float(row["seconds_spent"]),
        clock.total_seconds(),
    )


def spent_by_end(data: StudyData) -> pd.DataFrame:
    """The trials that ended, in that order, with ``epochs_spent`` and ``seconds_spent`` by then. A
    copy of another trial has its figures and cost nothing; what went on as another trial is
    counted there."""
    ended = data.trials[data.trials["end"].notna()].sort_values("end")
    free = {t.number for t in data.frozen if is_copy(t)} | continued(data.frozen)
    trained = ~ended["number"].isin(free)
    epochs = ended["epochs"].astype(float).where(trained, 0.0).cumsum()
    seconds = ended[seconds_column(data)].fillna(0.0).where(trained, 0.0).cumsum()
    return ended.assign(epochs_spent=epochs, seconds_spent=seconds)


def reached_by_all(studies: Sequence[StudyData]) -> float | None:
    """The best value that every study came to; None where one has none, or they are not of one
    objective."""
    if len({data.objective.name for data in studies}) > 1:
        return None
    values = [data.best.value for data in studies if data.best and data.best.value is not None]
    sign = studies[0].objective.sign
    return max(values, key=lambda v: sign * v) if len(values) == len(studies) else None
