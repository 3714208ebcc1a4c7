"""Breakdowns, made from whatever varied: one row for each value of a parameter, one for each
network."""

from __future__ import annotations

from typing import Any

import pandas as pd

from search.reporting.blocks import BEST, PLAIN, Section, Table, section, table_of
from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.format import count, figure, heading, setting
from search.reporting.sections.evaluation import per_class
from search.reporting.study_data import StudyData
from spaces.params import as_python
from trainers.metrics import find_metric

MOST_MODELS, MOST_VALUES = 15, 8
REPORTED = ("test_top1", "seconds", "gpu_utilization")
MODEL_OPTIONS = ("model", "depth", "width", "batch_norm", "residual")
ON_CPU = ("cpu_utilization", "peak_memory_mb")
ON_GPU = ("gpu_utilization", "gpu_peak_memory_mb")


def breakdowns(data: StudyData) -> Section | None:
    if data.record is None:
        return None
    blocks = [values_table(data), models_table(data), per_class(data)]
    return section("breakdowns", "Breakdowns", blocks, folded=True)


def values_table(data: StudyData) -> Table | None:
    """Return a row for each value of each parameter that has a handful of them."""
    columns = [name for name in data.trials if name.startswith(PARAMETER_PREFIX)]
    rows = []
    for column in columns:
        name = column.removeprefix(PARAMETER_PREFIX)
        if not 2 <= data.trials[column].nunique() <= MOST_VALUES:
            continue
        for value, group in data.trials.groupby(column):
            published = _published(data, name, value)
            cells = {"configuration": f"{name} = {setting(value)}"} | _cells(data, group)
            for metric in REPORTED:
                cells[f"published {heading(metric)}"] = figure(metric, published.get(metric))
            rows.append((cells, _mark(data, group)))
    return table_of("By parameter value", rows, data.interval_note, drop_empty=True)


def models_table(data: StudyData) -> Table | None:
    """Return a row for each network by size: parameters, MACs, time per epoch, memory."""
    rows = []
    for (parameters, macs), group in data.trials.groupby(["parameters", "macs"], dropna=False):
        if not pd.isna(parameters):
            sizes = {"parameters": parameters, "macs": macs}
            cells = {"model": _model_label(data, group)} | _cells(data, group)
            cells |= {heading(metric): figure(metric, value) for metric, value in sizes.items()}
            rows.append((cells, _mark(data, group)))
    caption = f"MACs: multiply-accumulates per image. {data.interval_note}".rstrip()
    return table_of("Models", rows[:MOST_MODELS], caption, drop_empty=True)


def _cells(data: StudyData, group: pd.DataFrame) -> dict[str, str]:
    """Return what a group of trials came to; times and memory are medians."""
    objective, done = data.objective, group[group["state"] == "COMPLETE"]
    early = data.epochs[data.epochs["epoch"] == data.common_epoch]
    early = early[early["number"].isin(group["number"])]
    known = (done if len(done) else group)["best_value"]
    index = objective.best_index(known.tolist())
    best = {} if index is None else group.loc[known.index[index]]
    machine = ON_GPU if data.trials["gpu_utilization"].notna().any() else ON_CPU
    unit = f" ({objective.unit})" if objective.unit else ""
    mean = early["value"].mean() if data.spent.epochs_saved else None
    medians = {
        "seconds": done["seconds"].median(),
        **{name: group[name].median() for name in ("seconds_per_epoch", *machine)},
        "test_seconds": done["test_seconds"].median(),
    }
    return {
        "trials": count(len(group)),
        "completed": count(len(done)),
        f"mean {objective.label} at epoch {data.common_epoch}{unit}": figure(objective, mean),
        f"best {objective.heading}": data.figure(objective.name, best.get("best_value")),
        f"its {heading('test_top1')}": data.figure("test_top1", best.get("test_top1")),
        **{heading(metric): figure(metric, value) for metric, value in medians.items()},
    }


def _mark(data: StudyData, rows: pd.DataFrame) -> str:
    return BEST if data.best is not None and data.best.number in set(rows["number"]) else PLAIN


def _published(data: StudyData, name: str, value: Any) -> dict[str, float]:
    """Return the published figures of the baseline with just this value; of the baseline's own
    value only where there are some of others too."""
    assert data.record is not None
    value = as_python(value)  # numpy's scalars compare with lists element by element
    found: dict[str, float] = {}
    studied = any(set(reference.setting) == {name} for reference in data.references)
    is_baselines = studied and data.record.space.baseline.get(name) == value
    for reference in data.references:
        its = dict(reference.setting)
        if its == {name: value} or (is_baselines and not its):
            found.setdefault(find_metric(reference.metric).name, reference.value)
    return found


def _model_label(data: StudyData, group: pd.DataFrame) -> str:
    fixed = data.record.space.fixed if data.record else {}
    parts = [str(fixed["model"])] if "model" in fixed else []
    for name in MODEL_OPTIONS:
        column = PARAMETER_PREFIX + name
        if column in group and group[column].nunique() == 1:
            parts.append(f"{name} {setting(group[column].iloc[0])}")
    return ", ".join(parts) or "network"
