"""Breakdowns, made from whatever varied: one row per value of a parameter, categorical parameters
together, models by size."""

from __future__ import annotations

from typing import Any

import pandas as pd

from search.reporting.blocks import (
    BEST,
    PLAIN,
    Block,
    Section,
    Table,
    section,
    table_of,
)
from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.format import NOTHING, count, figure, heading, setting
from search.reporting.sections.evaluation import per_class
from search.reporting.study_data import StudyData
from trainers.metrics import find_metric

MOST_MODELS, MOST_VALUES = 15, 8
REPORTED = ("test_top1", "seconds", "gpu_utilization")
MODEL_OPTIONS = ("model", "depth", "width", "batch_norm", "residual")


def breakdowns(data: StudyData) -> Section | None:
    blocks: list[Block | None] = []
    if data.record is not None:
        blocks += [by_value(data, name) for name in _discrete(data, at_least=3)]
        blocks += [switches(data), models(data), per_class(data)]
    return section("breakdowns", "Breakdowns", blocks, folded=True)


def completed(data: StudyData) -> pd.DataFrame:
    """Rows of the completed trials, the best first."""
    return data.trials.iloc[[trial.number for trial in data.ranked]]


def _parameters(data: StudyData) -> list[str]:
    """Names of what varied or could."""
    columns = [name for name in data.trials.columns if name.startswith(PARAMETER_PREFIX)]
    return [name.removeprefix(PARAMETER_PREFIX) for name in columns]


def _discrete(data: StudyData, at_least: int, at_most: int = MOST_VALUES) -> list[str]:
    """The parameters with a handful of values."""
    counts = {name: data.trials[PARAMETER_PREFIX + name].nunique() for name in _parameters(data)}
    return [name for name, values in counts.items() if at_least <= values <= at_most]


def by_value(data: StudyData, name: str) -> Table | None:
    """Return one row per value of a parameter."""
    rows = [_value_row(data, name, value, name, setting(value)) for value in _values(data, name)]
    return table_of(f"By {name}", rows, data.interval_note, drop_empty=True)


def switches(data: StudyData) -> Table | None:
    """Return all parameters with two values, such as on and off, in one table."""
    rows = [
        _value_row(data, name, value, "configuration", f"{name} = {setting(value)}")
        for name in _discrete(data, 2, 2)
        for value in _values(data, name)
    ]
    return table_of("By categorical parameter", rows, data.interval_note, drop_empty=True)


def _values(data: StudyData, name: str) -> list[Any]:
    found = data.trials[PARAMETER_PREFIX + name].dropna().unique()
    return sorted(found, key=lambda value: (str(type(value)), value))


def _processor(data: StudyData) -> str:
    """Whose utilisation and memory are shown: the GPU's where there was one."""
    return "gpu" if data.trials["gpu_utilization"].notna().any() else "cpu"


def _memory(data: StudyData) -> str:
    return "gpu_peak_memory_mb" if _processor(data) == "gpu" else "peak_memory_mb"


def _value_row(
    data: StudyData, name: str, value: Any, first: str, label: str
) -> tuple[dict[str, str], str]:
    """The row of a parameter's ``value``; ``first`` is the heading over its ``label``."""
    mine = data.trials[(data.trials[PARAMETER_PREFIX + name] == value).fillna(False)]
    done = completed(data)[lambda frame: frame["number"].isin(mine["number"])]
    at_common = data.epochs["epoch"] == data.common_epoch
    early = data.epochs[at_common & data.epochs["number"].isin(mine["number"])]
    reported = _references_for(data, name, value)
    objective, memory, utilization = (
        data.objective,
        _memory(data),
        f"{_processor(data)}_utilization",
    )
    unit = f" ({objective.unit})" if objective.unit else ""
    mean = early["value"].mean() if data.spent.epochs_saved else None
    best, its_test = _best_of(data, mine, done)
    cells = {
        first: label,
        "trials": count(len(mine)),
        "completed": count(len(done)),
        f"mean {objective.label} at epoch {data.common_epoch}{unit}": figure(objective.name, mean),
        f"best {objective.heading}": best,
        f"its {heading('test_top1')}": its_test,
        f"published {heading('test_top1')}": figure("test_top1", reported.get("test_top1")),
        heading("seconds"): figure("seconds", done["seconds"].median()),
        f"published {heading('seconds')}": figure("seconds", reported.get("seconds")),
        heading("seconds_per_epoch"): figure(
            "seconds_per_epoch", mine["seconds_per_epoch"].median()
        ),
        heading(utilization): figure(utilization, mine[utilization].median()),
        f"published {heading('gpu_utilization')}": figure(
            "gpu_utilization", reported.get("gpu_utilization")
        ),
        heading(memory): figure(memory, mine[memory].median()),
    }
    return cells, _has_best(data, mine)


def _best_of(data: StudyData, rows: pd.DataFrame, done: pd.DataFrame) -> tuple[str, str]:
    """The best value of a group, of its completed trials where there are any; and that trial's
    accuracy on the test set."""
    if len(done):
        best = done.iloc[0]
        value = data.figure(data.objective.name, best["value"])
        return value, data.figure("test_top1", best["test_top1"])
    values = rows["best_value"].dropna().tolist()
    index = data.objective.best_index(values)
    return data.figure(data.objective.name, None if index is None else values[index]), NOTHING


def _has_best(data: StudyData, rows: pd.DataFrame) -> str:
    return BEST if data.best is not None and data.best.number in set(rows["number"]) else PLAIN


def _references_for(data: StudyData, name: str, value: Any) -> dict[str, float]:
    """The reference figures of the recipe with just this value; of the baseline's own value only
    where there are some of others too."""
    assert data.record is not None
    found: dict[str, float] = {}
    studied = any(set(reference.setting) == {name} for reference in data.references)
    is_baselines = studied and data.record.space.baseline.get(name) == value
    for reference in data.references:
        metric = find_metric(reference.metric).name
        its = dict(reference.setting)
        belongs = its == {name: value} or (is_baselines and not its)
        if belongs and metric in REPORTED:
            found.setdefault(metric, reference.value)
    return found


def models(data: StudyData) -> Table | None:
    """Return model → parameters, MACs, time per epoch, memory, test time."""
    sized = data.trials[data.trials["parameters"].notna()]
    rows = []
    for (parameters, macs), group in sized.groupby(["parameters", "macs"], dropna=False):
        done = completed(data)[lambda frame, g=group: frame["number"].isin(g["number"])]
        best, its_test = _best_of(data, group, done)
        figures = {
            "parameters": parameters,
            "macs": macs,
            "seconds_per_epoch": group["seconds_per_epoch"].median(),
            _memory(data): group[_memory(data)].median(),
            "test_seconds": done["test_seconds"].median(),
        }
        cells = {
            "model": _model_label(data, group),
            "trials": count(len(group)),
            **{heading(metric): figure(metric, value) for metric, value in figures.items()},
            f"best {data.objective.heading}": best,
            f"its {heading('test_top1')}": its_test,
        }
        rows.append((cells, _has_best(data, group)))
    caption = "MACs: multiply-accumulates an image. Times and memory are medians over trials."
    caption = f"{caption} {data.interval_note}".rstrip()
    return table_of("Models", rows[:MOST_MODELS], caption, drop_empty=True)


def _model_label(data: StudyData, group: pd.DataFrame) -> str:
    recipe = data.record.space.fixed if data.record else {}
    parts = [str(recipe["model"])] if "model" in recipe else []
    for name in MODEL_OPTIONS:
        column = PARAMETER_PREFIX + name
        if column in group and group[column].nunique() == 1:
            parts.append(f"{name} {setting(group[column].iloc[0])}")
    return ", ".join(parts) or "network"
