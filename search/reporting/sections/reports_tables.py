"""The reports' own tables, made from whatever varied: by value, switches, classes, models."""

from __future__ import annotations

from typing import Any

import pandas as pd

from search.reporting.columns import PARAMETER_PREFIX, PUBLISHED_AS
from search.reporting.section import Block, Section, section
from search.reporting.sections.classes import per_class
from search.reporting.study_data import StudyData
from search.reporting.table import BEST, PLAIN, PUBLISHED, RECIPE, Row, Table, drop_empty_columns
from search.reporting.texts import count, figure, heading, percent, setting

MOST_VALUES = 8
MOST_TRIALS = 15
LEADING = ("val_top1", "test_top1", "test_top5", "test_loss", "train_top1", "best_epoch", "seconds")
MODEL = (
    "parameters",
    "macs",
    "seconds_per_epoch",
    "memory",
    "test_seconds",
    "val_top1",
    "test_top1",
)
MODEL_OPTIONS = ("model", "depth", "width", "batch_norm", "residual")
REPORTED = ("test_top1", "wall_seconds", "gpu_utilization")


def reports_tables(data: StudyData) -> Section | None:
    """Section 2 of the page."""
    blocks: list[Block | None] = [leading(data)]
    if data.is_accuracy:
        blocks += [by_value(data, name) for name in _discrete(data, at_least=3)]
        blocks += [switches(data), models(data), per_class(data)]
    return section("tables", "The reports' tables", blocks)


def completed(data: StudyData) -> pd.DataFrame:
    """Completed trials, the best first."""
    done = data.trials[data.trials["state"] == "COMPLETE"]
    return done.sort_values(["value", "number"], ascending=[not data.maximize, True])


def leading(data: StudyData) -> Table | None:
    """Loss, top-1 and top-5 of the completed trials, the published figures above (report E)."""
    done = completed(data)
    if done.empty:
        return None
    names = _parameters(data)
    rows = []
    if data.published:
        found = {metric: data.published.get(PUBLISHED_AS.get(metric, metric)) for metric in LEADING}
        cells = [figure(metric, value) for metric, value in found.items()]
        rows.append(Row(("published", *cells, *[""] * len(names)), PUBLISHED))
    shown = done.head(MOST_TRIALS)
    if data.recipe is not None and data.recipe.number not in set(shown["number"]):
        shown = pd.concat([shown, done[done["number"] == data.recipe.number]])
    for _, row in shown.iterrows():
        cells = [figure(metric, row[metric]) for metric in LEADING]
        settings = [setting(row[PARAMETER_PREFIX + name]) for name in names]
        rows.append(Row((str(row["number"]), *cells, *settings), _mark(data, row["number"])))
    headings = ("trial", *map(heading, LEADING), *names)
    if not data.is_accuracy:
        headings = ("trial", data.metric, *headings[2:])
    caption = f"{len(shown)} of {len(done)} completed trials" if len(done) > len(shown) else ""
    table = Table("Completed trials", headings, tuple(rows), caption)
    return drop_empty_columns(table)


def _mark(data: StudyData, number: int) -> str:
    if data.best is not None and number == data.best.number:
        return BEST
    return RECIPE if data.recipe is not None and number == data.recipe.number else PLAIN


def _parameters(data: StudyData) -> list[str]:
    return [
        name.removeprefix(PARAMETER_PREFIX)
        for name in data.trials.columns
        if name.startswith(PARAMETER_PREFIX)
    ]


def _discrete(data: StudyData, at_least: int, at_most: int = MOST_VALUES) -> list[str]:
    """The parameters with a handful of values."""
    counts = {n: data.trials[PARAMETER_PREFIX + n].nunique() for n in _parameters(data)}
    return [name for name, values in counts.items() if at_least <= values <= at_most]


def by_value(data: StudyData, name: str) -> Table:
    """One row per value of a parameter: report B's batch-size table, for any of them."""
    rows = [_value_row(data, name, value, setting(value)) for value in _values(data, name)]
    return drop_empty_columns(Table(f"By {name}", _value_headings(data, name), tuple(rows)))


def switches(data: StudyData) -> Table | None:
    """All parameters with two values, on and off (report D)."""
    names = _discrete(data, 2, 2)
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
        f"{_unit(data)} utilisation (%)",
        "published GPU utilisation (%)",
        "memory (MiB)",
    )


def _unit(data: StudyData) -> str:
    return "GPU" if data.trials["gpu_utilization"].notna().any() else "CPU"


def _value_row(data: StudyData, name: str, value: Any, label: str) -> Row:
    mine = data.trials[(data.trials[PARAMETER_PREFIX + name] == value).fillna(False)]
    done = completed(data)[lambda frame: frame["number"].isin(mine["number"])]
    early = data.epochs[
        (data.epochs["epoch"] == data.common_epoch) & data.epochs["number"].isin(mine["number"])
    ]
    best = done.iloc[0] if len(done) else None
    unit = _unit(data).lower()
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


def models(data: StudyData) -> Table | None:
    """Model → parameters, MACs, time per epoch, memory, test time (report A)."""
    sized = data.trials[data.trials["parameters"].notna()]
    if sized.empty:
        return None
    memory = "gpu_peak_memory_mb" if _unit(data) == "GPU" else "peak_memory_mb"
    rows = []
    for (parameters, macs), group in sized.groupby(["parameters", "macs"], dropna=False):
        done = completed(data)[lambda frame, g=group: frame["number"].isin(g["number"])]
        best = done.iloc[0] if len(done) else None
        cells = (
            _model_label(data, group),
            count(len(group)),
            figure("parameters", parameters),
            figure("macs", macs),
            figure("seconds_per_epoch", group["seconds_per_epoch"].median()),
            count(group[memory].median()),
            figure("test_seconds", done["test_seconds"].median()),
            percent(group["val_top1"].max() if best is None else best["value"]),
            percent(None if best is None else best["test_top1"]),
        )
        is_best = data.best is not None and data.best.number in set(group["number"])
        rows.append(Row(cells, BEST if is_best else PLAIN))
    headings = (
        "model",
        "trials",
        "parameters (M)",
        "MACs (M)",
        "time per epoch (s)",
        "memory (MiB)",
        "test time (s)",
        "best validation top-1 (%)",
        "its test top-1 (%)",
    )
    caption = "MACs: multiply-accumulates an image. Times and memory are medians over trials."
    return drop_empty_columns(Table("Models", headings, tuple(rows[:MOST_TRIALS]), caption))


def _model_label(data: StudyData, group: pd.DataFrame) -> str:
    recipe = data.attributes.get("identity", {}).get("recipe", {})
    parts = [str(recipe["model"])] if "model" in recipe else []
    for name in MODEL_OPTIONS:
        column = PARAMETER_PREFIX + name
        if column in group and group[column].nunique() == 1:
            parts.append(f"{name} {setting(group[column].iloc[0])}")
    return ", ".join(parts) or "network"
