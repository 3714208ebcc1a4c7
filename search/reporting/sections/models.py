"""Model by model: size, time, memory, accuracy (report A)."""

from __future__ import annotations

import pandas as pd

from search.reporting.columns import PARAMETER_PREFIX
from search.reporting.sections.completed import completed, processor
from search.reporting.study_data import StudyData
from search.reporting.table import BEST, PLAIN, Row, Table, drop_empty_columns
from search.reporting.texts import count, figure, percent, setting

MOST_MODELS = 15
MODEL_OPTIONS = ("model", "depth", "width", "batch_norm", "residual")


def models(data: StudyData) -> Table | None:
    """Model → parameters, MACs, time per epoch, memory, test time (report A)."""
    sized = data.trials[data.trials["parameters"].notna()]
    if sized.empty:
        return None
    memory = "gpu_peak_memory_mb" if processor(data) == "GPU" else "peak_memory_mb"
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
    return drop_empty_columns(Table("Models", headings, tuple(rows[:MOST_MODELS]), caption))


def _model_label(data: StudyData, group: pd.DataFrame) -> str:
    recipe = data.attributes.get("identity", {}).get("recipe", {})
    parts = [str(recipe["model"])] if "model" in recipe else []
    for name in MODEL_OPTIONS:
        column = PARAMETER_PREFIX + name
        if column in group and group[column].nunique() == 1:
            parts.append(f"{name} {setting(group[column].iloc[0])}")
    return ", ".join(parts) or "network"
