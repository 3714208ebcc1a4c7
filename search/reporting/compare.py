"""Several studies side by side: spaces, samplers, pruners."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from search.record.trials import continued, is_copy
from search.reporting.blocks import (
    DIFFERS,
    PLAIN,
    Row,
    Section,
    Table,
    drop_empty_columns,
    section,
    table_of,
)
from search.reporting.chart import SERIES_COLOURS, STEPS, Axis, Chart, Panel, Series, chart
from search.reporting.export import Frames
from search.reporting.sections.cost import seconds_column
from search.reporting.study_data import StudyData
from search.reporting.texts import (
    NOTHING,
    count,
    figure,
    heading,
    setting,
    time_span,
    whole_percent,
)

FIGURES = ("test_top1", "test_top5", "test_loss", "parameters", "seconds")


def compare_sections(studies: Sequence[StudyData]) -> list[Section]:
    """What was searched, what came out, how fast, and with which settings."""
    found = [
        section("result", "Result", [_searches(studies), _results(studies)]),
        section("progress", "Progress", [_progress(studies)]),
        section("settings", "Settings of the best", [_settings(studies)]),
    ]
    return [item for item in found if item is not None]


def comparison_frames(studies: Sequence[StudyData]) -> Frames:
    """Both tables of all studies, with a first column ``study``."""
    frames = {}
    for name in ("trials", "epochs"):
        parts = [getattr(data, name).assign(study=data.name) for data in studies]
        whole = pd.concat(parts, ignore_index=True)
        frames[name] = whole[["study", *(c for c in whole.columns if c != "study")]]
    return frames


def _searches(studies: Sequence[StudyData]) -> Table | None:
    rows = [(_search(data), PLAIN) for data in studies]
    return table_of("Searches", rows, text_columns=range(6), drop_empty=True)


def _search(data: StudyData) -> dict[str, str]:
    record, spent = data.record, data.spent
    return {
        "study": data.name,
        "space": record.space.name if record else NOTHING,
        "preset": record.space.preset if record else NOTHING,
        "data set": record.data.name if record else NOTHING,
        "sampler": record.strategy.sampler if record else NOTHING,
        "pruner": record.strategy.pruner if record else NOTHING,
        "seed": setting(record.strategy.seed) if record else NOTHING,
        "trials": count(spent.ended),
        "completed": count(spent.completed),
        "pruned": count(spent.pruned),
        "failed": count(spent.failed) if spent.failed else "",
        "epochs trained": count(spent.epochs_trained),
        "epochs saved (%)": whole_percent(spent.saved_share),
        "workers' time": time_span(spent.seconds or None),
    }


def _results(studies: Sequence[StudyData]) -> Table:
    rows = []
    for data in studies:
        metrics = (data.objective.name, *FIGURES)
        for name, trial in (("best", data.best), ("recipe", data.recipe)):
            if trial is None or (name == "recipe" and trial is data.best):
                continue
            row = data.row(trial)
            values = [row["best_value"], *(row[metric] for metric in FIGURES)]
            cells = [figure(m, value) for m, value in zip(metrics, values, strict=True)]
            mark = name if name == "best" else ""
            rows.append(Row((data.name, f"{name}, trial {trial.number}", *cells), mark))
        if data.recipe_references:
            cells = [figure(metric, data.recipe_references.get(metric)) for metric in metrics]
            rows.append(Row((data.name, "reference", *cells), "reference"))
    headings = ("study", "", _objective(studies, "value"), *map(heading, FIGURES))
    caption = "These studies differ in data, scale or epochs: their accuracies do not compare."
    table = Table(
        "Best, recipe and reference",
        headings,
        tuple(rows),
        caption if len({_scale(data) for data in studies}) > 1 else "",
        frozenset({0, 1}),
    )
    return drop_empty_columns(table, (0, 1))


def _objective(studies: Sequence[StudyData], otherwise: str) -> str:
    """The heading of the objective that all studies share."""
    found = {data.objective.heading for data in studies}
    return found.pop() if len(found) == 1 else otherwise


def _scale(data: StudyData) -> tuple[object, ...]:
    record = data.record
    return (
        ()
        if record is None
        else (record.data.fingerprint, record.space.preset, data.full_epochs, record.objectives)
    )


def _progress(studies: Sequence[StudyData]) -> Chart | None:
    by_epoch, by_seconds = [], []
    for i, data in enumerate(studies):
        colour = SERIES_COLOURS[i % len(SERIES_COLOURS)]
        epochs, seconds, best = _best_so_far(data)
        if best:
            by_epoch.append(Series(data.name, epochs, best, kind=STEPS, colour=colour))
        if best and seconds[-1] > 0:
            by_seconds.append(Series(data.name, seconds, best, kind=STEPS, colour=colour))
    y = Axis(f"best {_objective(studies, 'value')}")
    unit = "CPU" if all(seconds_column(d) == "cpu_seconds" for d in studies) else "worker"
    panels = [
        Panel("By epochs", Axis("epochs trained, all trials", from_zero=True), y, tuple(by_epoch)),
        Panel(
            "By time", Axis(f"{unit} time, all trials (s)", from_zero=True), y, tuple(by_seconds)
        ),
    ]
    caption = "The best completed trial so far, against what had been spent when it ended."
    return chart("progress", "Best so far", panels, caption)


def _best_so_far(data: StudyData) -> tuple[list[float], list[float], list[float]]:
    """Epochs and seconds spent, and the best value, at the end of each trial from the first
    completed one on. A copy of another trial has its figures and cost nothing; what went on as
    another trial is counted there."""
    ended = data.trials[data.trials["end"].notna()].sort_values("end")
    free = {t.number for t in data.frozen if is_copy(t)} | continued(data.frozen)
    trained = ~ended["number"].isin(free)
    epochs = ended["epochs"].astype(float).where(trained, 0.0).cumsum()
    seconds = ended[seconds_column(data)].fillna(0.0).where(trained, 0.0).cumsum()
    values = ended["value"].where(ended["state"] == "COMPLETE")
    best = (values.cummin() if data.objective.sign > 0 else values.cummax()).ffill()
    known = best.notna()
    return epochs[known].tolist(), seconds[known].tolist(), best[known].tolist()


def _settings(studies: Sequence[StudyData]) -> Table | None:
    there = [data for data in studies if data.best is not None]
    names = list(dict.fromkeys(name for data in there for name in data.best.params))  # type: ignore[union-attr]
    rows = []
    for name in names:
        cells = []
        for data in there:
            params = data.best.params if data.best else {}
            cells.append(setting(params[name]) if name in params else NOTHING)
        rows.append(Row((name, *cells), DIFFERS if len(set(cells)) > 1 else ""))
    headings = ("parameter", *(data.name for data in there))
    return Table("Best trial of each study", headings, tuple(rows)) if rows else None
