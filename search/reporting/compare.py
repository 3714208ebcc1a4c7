"""Several studies side by side: whether their best trials differ, and what it took to get as
far."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from search.common.errors import UserError
from search.common.statistics import Interval, accuracy_difference, difference_of_means
from search.reporting.blocks import (
    DIFFERS,
    EMPTY,
    PLAIN,
    Chart,
    Row,
    Section,
    Table,
    chart,
    section,
)
from search.reporting.figures import SERIES_COLOURS, add_line, new_figure
from search.reporting.format import (
    NOTHING,
    count,
    figure,
    heading,
    missing,
    setting,
    signed,
    time_span,
    whole_percent,
)
from search.reporting.spent import best_so_far, seconds_column, spent_by_end
from search.reporting.study_data import StudyData
from search.reporting.verdict import points
from trainers.metrics import TEST, Metric, find_metric

FIGURES = ("test_top1", "test_top5", "test_loss", "parameters", "seconds")


def compare_sections(studies: Sequence[StudyData], accuracy: float | None = None) -> list[Section]:
    """Return what came out, how fast, and with which parameters. ``accuracy``: the value of the
    objective to which the time is counted; by default the best that all came to.

    Raises ``UserError`` for an ``accuracy`` where the objectives differ.
    """
    names = sorted({data.objective.name for data in studies})
    if accuracy is not None and len(names) > 1:
        raise UserError(
            f"--accuracy needs studies of one objective, got {', '.join(names)}; leave it out"
        )
    value = _reached_by_all(studies) if accuracy is None else accuracy
    lead = " ".join(f"{difference(studies[0], data)}." for data in studies[1:])
    blocks = [side_by_side(studies, value), progress_chart(studies)]
    found = section("result", "Result", blocks, lead)
    return [] if found is None else [found]


def comparison_frames(studies: Sequence[StudyData]) -> dict[str, pd.DataFrame]:
    """Return both tables of all studies, with a first column ``study``."""
    return {
        name: pd.concat({data.name: data.tables[name] for data in studies}, names=["study"])
        .reset_index("study")
        .reset_index(drop=True)
        for name in ("trials", "epochs")
    }


def difference(first: StudyData, second: StudyData) -> str:
    """Return ``B's best has 1.20 points less test top-1 than A's (95 % CI: −4.10 to +1.70, one run
    each on 360 test images): no significant difference``; where both were re-evaluated, by their
    evaluation seeds."""
    names = f"{second.name} and {first.name}"
    if first.best is None or second.best is None:
        return f"{names} do not compare: not both have a completed trial"
    fingerprints = {d.record.data.fingerprint if d.record else None for d in (first, second)}
    if len(fingerprints) > 1 or None in fingerprints:
        return f"{names} do not compare: their data differ"
    ours, theirs = second.verdict, first.verdict
    if ours and theirs and ours.chosen and theirs.chosen and ours.metric == theirs.metric:
        found = difference_of_means(ours.chosen, theirs.chosen)
        seeds = f"{ours.chosen.n} and {theirs.chosen.n} evaluation seeds"
        return _in_words(first, second, "choice", ours.metric, found, seeds)
    name = _figure_of_both(first, second)
    if name is None:
        return f"{names} do not compare: their objectives differ, and not both were tested"
    metric, images = find_metric(name), first.images(name)
    best, other = (float(d.row(d.best)[name]) for d in (second, first) if d.best)
    if images is None or images != second.images(name):
        found = Interval(best - other, float("nan"), float("nan"), 1)
        return _in_words(first, second, "best", metric, found, "one run each")
    found = accuracy_difference(best, other, images)
    how = f"one run each on {images:,} {'test' if metric.split == TEST else 'validation'} images"
    return _in_words(first, second, "best", metric, found, how)


def _in_words(
    first: StudyData, second: StudyData, who: str, metric: Metric, found: Interval, how: str
) -> str:
    size = f"{metric.format(abs(found.estimate))}{points(metric)}"
    more = "less" if found.estimate < 0 else "more"
    words = f"{second.name}'s {who} has {size} {more} {metric.label} than {first.name}'s"
    if missing(found.low):
        return f"{words}, {how}: without an interval no difference is significant"
    bounds = f"{signed(metric, found.low)} to {signed(metric, found.high)}"
    shown = "no significant difference" if 0 in found else "they differ"
    return f"{words} (95 % CI: {bounds}, {how}): {shown}"


def _figure_of_both(first: StudyData, second: StudyData) -> str | None:
    """Return what was measured on the test set, which chose nothing; else the objective."""
    if not any(missing(data.row(data.best)["test_top1"]) for data in (first, second) if data.best):
        return "test_top1"
    same = first.objective.name == second.objective.name
    return first.objective.name if same and first.objective.name in first.trials else None


def side_by_side(studies: Sequence[StudyData], value: float | None) -> Table:
    """Return a column for each study: what was searched, what came out, what it took to come to
    ``value`` of the objective, and the parameters of the best, those that differ marked."""
    columns = {data.name: _column(data, value) for data in studies}
    params = {data.name: data.best.params if data.best else {} for data in studies}
    rows = []
    for label in dict.fromkeys(label for column in columns.values() for label in column):
        rows.append(Row((label, *(column.get(label, NOTHING) for column in columns.values()))))
    for name in dict.fromkeys(name for its in params.values() for name in its):
        cells = [setting(its[name]) if name in its else NOTHING for its in params.values()]
        mark = DIFFERS if len(set(cells)) > 1 else PLAIN
        rows.append(Row((f"best: {name}", *cells), mark))
    shown = tuple(row for row in rows if any(cell not in EMPTY for cell in row.cells[1:]))
    caption = "In brackets: 95 % CI of one run."
    if len({_scale(data) for data in studies}) > 1:
        caption += " The studies differ in data, scale or epochs: their accuracies do not compare."
    return Table("Side by side", ("", *columns), shown, caption)


def _column(data: StudyData, value: float | None) -> dict[str, str]:
    """Return label → cell of one study."""
    record, spent, objective = data.record, data.spent, data.objective
    cells: dict[str, str] = {}
    if record is not None:
        strategy = record.strategy
        cells |= {"space": record.space.name, "preset": record.space.preset}
        cells |= {"data set": record.data.name, "sampler": strategy.sampler}
        cells |= {"pruner": strategy.pruner, "seed": setting(strategy.seed)}
    cells |= {
        "trials": count(spent.ended),
        "completed, pruned, failed": f"{spent.completed}, {spent.pruned}, {spent.failed}",
        "epochs trained": count(spent.epochs_trained),
        "epochs saved (%)": whole_percent(spent.saved_share),
        "worker time": time_span(spent.seconds or None),
    }
    for whose, trial in (("best", data.best), ("baseline", data.baseline)):
        if trial is not None:
            row = data.row(trial)
            cells[f"{whose}: trial"] = str(trial.number)
            cells[f"{whose}: {objective.heading}"] = data.figure(objective.name, row["best_value"])
            cells |= {f"{whose}: {heading(m)}": data.figure(m, row[m]) for m in FIGURES}
    published = data.baseline_references.get("test_top1")
    cells[f"published: {heading('test_top1')}"] = figure("test_top1", published)
    return cells if value is None else cells | _time_to(data, value)


def _time_to(data: StudyData, value: float) -> dict[str, str]:
    """Return what had been spent when a completed trial had ``value`` or a better one."""
    ended, to = spent_by_end(data), f"to {data.objective.described(value)}"
    good = data.objective.sign * (ended["value"] - value) <= 0
    found = ended[(ended["state"] == "COMPLETE") & good]
    if found.empty:
        return {f"{to}: trial": "not reached"}
    row = found.iloc[0]
    clock = (row["end"] - data.trials["start"].min()).total_seconds()
    return {
        f"{to}: trial": str(row["number"]),
        f"{to}: trials ended": count((ended["end"] <= row["end"]).sum()),
        f"{to}: epochs trained": count(row["epochs_spent"]),
        f"{to}: {_spent([data])}": time_span(row["seconds_spent"]),
        f"{to}: wall time": time_span(clock),
    }


def _scale(data: StudyData) -> tuple[object, ...]:
    if data.record is None:
        return ()
    space, objectives = data.record.space, data.record.objectives
    return (data.record.data.fingerprint, space.preset, data.full_epochs, objectives)


def _reached_by_all(studies: Sequence[StudyData]) -> float | None:
    """Return the best value that every study came to; None where one has none, or they are not of
    one objective."""
    values = [data.best.value for data in studies if data.best and data.best.value is not None]
    if len({data.objective.name for data in studies}) > 1 or len(values) < len(studies):
        return None
    sign = studies[0].objective.sign
    return max(values, key=lambda value: sign * value)


def _spent(studies: Sequence[StudyData]) -> str:
    unit = "CPU" if all(seconds_column(d) == "cpu_seconds" for d in studies) else "worker"
    return f"{unit} time, all trials"


def progress_chart(studies: Sequence[StudyData]) -> Chart | None:
    """Return the best completed trial so far against epochs and time spent."""
    headings = {data.objective.heading for data in studies}
    title = f"best {headings.pop() if len(headings) == 1 else 'value'}"
    by_epoch = new_figure("", "epochs trained, all trials", title)
    by_time = new_figure("", f"{_spent(studies)} (s)", title)
    for i, data in enumerate(studies):
        known = best_so_far(data)
        colour = SERIES_COLOURS[i % len(SERIES_COLOURS)]
        for drawn, column in ((by_epoch, "epochs_spent"), (by_time, "seconds_spent")):
            x, y = known[column].tolist(), known["best"].tolist()
            if x and x[-1] > 0:
                add_line(drawn, x, y, data.name, colour=colour, shape="hv")
            drawn.update_xaxes(rangemode="tozero")
    return chart("progress", "Best so far", [by_epoch, by_time])
