"""One row per value of a parameter (report B), and switches, on and off (report D)."""

from __future__ import annotations

from typing import Any

from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.sections.completed import completed, discrete, processor
from search.reporting.study_data import StudyData
from search.reporting.table import BEST, PLAIN, Row, Table, drop_empty_columns
from search.reporting.texts import count, figure, percent, setting

REPORTED = ("test_top1", "wall_seconds", "gpu_utilization")


def by_value(data: StudyData, name: str) -> Table:
    """One row per value of a parameter: report B's batch-size table, for any of them."""
    rows = [_value_row(data, name, value, setting(value)) for value in _values(data, name)]
    return drop_empty_columns(Table(f"By {name}", _value_headings(data, name), tuple(rows)))


def switches(data: StudyData) -> Table | None:
    """All parameters with two values, on and off (report D)."""
    names = discrete(data, 2, 2)
    rows = [
        _value_row(data, name, value, f"{name} = {setting(value)}")
        for name in names
        for value in _values(data, name)
    ]
    if not rows:
        return None
    return drop_empty_columns(Table("Switches", _value_headings(data, "setting"), tuple(rows)))


def _values(data: StudyData, name: str) -> list[Any]:
    return sorted(
        data.trials[PARAMETER_PREFIX + name].dropna().unique(), key=lambda v: (str(type(v)), v)
    )


def _value_headings(data: StudyData, first: str) -> tuple[str, ...]:
    epoch = data.common_epoch
    return (
        first,
        "trials",
        "completed",
        f"mean validation top-1 at epoch {epoch} (%)",
        "best validation top-1 (%)",
        "its test top-1 (%)",
        "published test top-1 (%)",
        "time (s)",
        "published time (s)",
        "time per epoch (s)",
        f"{processor(data)} utilisation (%)",
        "published GPU utilisation (%)",
        "memory (MiB)",
    )


def _value_row(data: StudyData, name: str, value: Any, label: str) -> Row:
    mine = data.trials[(data.trials[PARAMETER_PREFIX + name] == value).fillna(False)]
    done = completed(data)[lambda frame: frame["number"].isin(mine["number"])]
    early = data.epochs[
        (data.epochs["epoch"] == data.common_epoch) & data.epochs["number"].isin(mine["number"])
    ]
    best = done.iloc[0] if len(done) else None
    unit = processor(data).lower()
    memory = "gpu_peak_memory_mb" if unit == "gpu" else "peak_memory_mb"
    reported = _published_for(data, name, value)
    cells = (
        label,
        count(len(mine)),
        count(len(done)),
        percent(early["val_top1"].mean() if data.spent.epochs_saved else None),
        percent(mine["val_top1"].max() if best is None else best["value"]),
        percent(None if best is None else best["test_top1"]),
        figure("test_top1", reported.get("test_top1")),
        figure("seconds", done["seconds"].median()),
        figure("seconds", reported.get("wall_seconds")),
        figure("seconds_per_epoch", mine["seconds_per_epoch"].median()),
        figure("cpu_utilization", mine[f"{unit}_utilization"].median()),
        figure("gpu_utilization", reported.get("gpu_utilization")),
        count(mine[memory].median()),
    )
    is_best = data.best is not None and data.best.number in set(mine["number"].dropna())
    return Row(cells, BEST if is_best else PLAIN)


def _published_for(data: StudyData, name: str, value: Any) -> dict[str, float]:
    """What was published for the recipe with just this value; of the recipe's own value only
    where others were published too."""
    found: dict[str, float] = {}
    studied = any(set(reference["setting"]) == {name} for reference in data.references)
    is_recipes = studied and data.attributes.get("baseline", {}).get(name) == value
    for reference in data.references:
        belongs = dict(reference["setting"]) == {name: value} or (
            is_recipes and not reference["setting"]
        )
        if belongs and reference["metric"] in REPORTED:
            found.setdefault(reference["metric"], reference["value"])
    return found
