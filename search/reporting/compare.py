"""Several studies side by side: spaces, samplers, pruners."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from search.common.errors import UserError
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
from search.reporting.format import (
    NOTHING,
    count,
    figure,
    heading,
    setting,
    time_span,
    whole_percent,
)
from search.reporting.sections.cost import seconds_column
from search.reporting.significance import difference, reached_by_all, spent_by_end, time_to
from search.reporting.study_data import StudyData

FIGURES = ("test_top1", "test_top5", "test_loss", "parameters", "seconds")


def compare_sections(studies: Sequence[StudyData], accuracy: float | None = None) -> list[Section]:
    """What was searched, what came out, how fast, and with which parameters. ``accuracy``: the
    value of the objective to which the time is told; by default the best that all came to.

    Raises ``UserError`` for an ``accuracy`` where the objectives differ.
    """
    if accuracy is not None and len({data.objective.name for data in studies}) > 1:
        names = ", ".join(sorted({data.objective.name for data in studies}))
        raise UserError(f"--accuracy needs studies of one objective, got {names}; leave it out")
    value = reached_by_all(studies) if accuracy is None else accuracy
    lead = " ".join(f"{difference(studies[0], data)}." for data in studies[1:])
    times = None if value is None else _times(studies, value)
    found = [
        section("result", "Result", [_results(studies), _searches(studies)], lead),
        section("progress", "Progress", [times, _progress(studies)]),
        section("parameters", "Parameters of the best", [_parameters(studies)]),
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
            cells = [data.figure(m, value) for m, value in zip(metrics, values, strict=True)]
            mark = name if name == "best" else ""
            rows.append(Row((data.name, f"{name}, trial {trial.number}", *cells), mark))
        if data.recipe_references:
            cells = [figure(metric, data.recipe_references.get(metric)) for metric in metrics]
            rows.append(Row((data.name, "reference", *cells), "reference"))
    headings = ("study", "", _objective(studies, "value"), *map(heading, FIGURES))
    notes = list(dict.fromkeys(data.interval_note for data in studies))
    caption = notes[0] if len(notes) == 1 else "In brackets: 95 % interval of one run."
    if len({_scale(data) for data in studies}) > 1:
        caption += " The studies differ in data, scale or epochs: their accuracies do not compare."
    table = Table(
        "Best, recipe and reference",
        headings,
        tuple(rows),
        caption.strip(),
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


def _times(studies: Sequence[StudyData], value: float) -> Table | None:
    rows = []
    for data in studies:
        found = time_to(data, value)
        cells = {
            "study": data.name,
            "trial": str(found.trial) if found else "not reached",
            "trials ended": count(found.trials) if found else NOTHING,
            "epochs trained": count(found.epochs) if found else NOTHING,
            _spent(studies): time_span(found.seconds if found else None),
            "time on the clock": time_span(found.clock if found else None),
        }
        rows.append((cells, PLAIN))
    title = f"Time to {studies[0].objective.described(value)}"
    caption = "The first completed trial that was as good, and what had been spent when it ended."
    return table_of(title, rows, caption, text_columns=(0, 1))


def _spent(studies: Sequence[StudyData]) -> str:
    unit = "CPU" if all(seconds_column(d) == "cpu_seconds" for d in studies) else "worker"
    return f"{unit} time, all trials"


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
    panels = [
        Panel("By epochs", Axis("epochs trained, all trials", from_zero=True), y, tuple(by_epoch)),
        Panel("By time", Axis(f"{_spent(studies)} (s)", from_zero=True), y, tuple(by_seconds)),
    ]
    caption = "The best completed trial so far, against what had been spent when it ended."
    return chart("progress", "Best so far", panels, caption)


def _best_so_far(data: StudyData) -> tuple[list[float], list[float], list[float]]:
    """Epochs and seconds spent, and the best value, at the end of each trial from the first
    completed one on."""
    ended = spent_by_end(data)
    epochs, seconds = ended["epochs_spent"], ended["seconds_spent"]
    values = ended["value"].where(ended["state"] == "COMPLETE")
    best = (values.cummin() if data.objective.sign > 0 else values.cummax()).ffill()
    known = best.notna()
    return epochs[known].tolist(), seconds[known].tolist(), best[known].tolist()


def _parameters(studies: Sequence[StudyData]) -> Table | None:
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
