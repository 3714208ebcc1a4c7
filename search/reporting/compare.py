"""Several studies side by side: whether their best trials differ, and what it took to get as
far."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from search.common.errors import UserError
from search.common.statistics import Interval, accuracy_difference, difference_of_means
from search.reporting.blocks import (
    DIFFERS,
    PLAIN,
    Chart,
    Row,
    Section,
    Table,
    chart,
    drop_empty_columns,
    section,
    table_of,
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
    objective to which the time is told; by default the best that all came to.

    Raises ``UserError`` for an ``accuracy`` where the objectives differ.
    """
    names = sorted({data.objective.name for data in studies})
    if accuracy is not None and len(names) > 1:
        raise UserError(
            f"--accuracy needs studies of one objective, got {', '.join(names)}; leave it out"
        )
    value = _reached_by_all(studies) if accuracy is None else accuracy
    lead = " ".join(f"{difference(studies[0], data)}." for data in studies[1:])
    times = None if value is None else times_table(studies, value)
    found = [
        section("result", "Result", [_results(studies), _searches(studies)], lead),
        section("progress", "Progress", [times, progress_chart(studies)]),
        section("parameters", "Parameters of the best", [_parameters(studies)]),
    ]
    return [item for item in found if item is not None]


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


def _searches(studies: Sequence[StudyData]) -> Table | None:
    rows = [(_search(data), PLAIN) for data in studies]
    return table_of("Searches", rows, text_columns=range(6), drop_empty=True)


def _search(data: StudyData) -> dict[str, str]:
    record, spent = data.record, data.spent
    facts = {"space": "", "preset": "", "data set": "", "sampler": "", "pruner": "", "seed": ""}
    if record is not None:
        space, strategy = record.space, record.strategy
        values = (space.name, space.preset, record.data.name, strategy.sampler, strategy.pruner)
        facts = dict(zip(facts, (*values, setting(strategy.seed)), strict=True))
    return {
        "study": data.name,
        **facts,
        "trials": count(spent.ended),
        "completed": count(spent.completed),
        "pruned": count(spent.pruned),
        "failed": count(spent.failed) if spent.failed else "",
        "epochs trained": count(spent.epochs_trained),
        "epochs saved (%)": whole_percent(spent.saved_share),
        "worker time": time_span(spent.seconds or None),
    }


def _results(studies: Sequence[StudyData]) -> Table:
    rows = []
    for data in studies:
        metrics = (data.objective.name, *FIGURES)
        for name, trial in (("best", data.best), ("baseline", data.baseline)):
            if trial is None or (name == "baseline" and trial is data.best):
                continue
            row = data.row(trial)
            values = [row["best_value"], *(row[metric] for metric in FIGURES)]
            cells = [data.figure(m, value) for m, value in zip(metrics, values, strict=True)]
            mark = name if name == "best" else ""
            rows.append(Row((data.name, f"{name}, trial {trial.number}", *cells), mark))
        if data.baseline_references:
            cells = [figure(metric, data.baseline_references.get(metric)) for metric in metrics]
            rows.append(Row((data.name, "published", *cells), "reference"))
    headings = ("study", "", _objective(studies, "value"), *map(heading, FIGURES))
    notes = list(dict.fromkeys(data.interval_note for data in studies))
    caption = notes[0] if len(notes) == 1 else "In brackets: 95 % CI of one run."
    if len({_scale(data) for data in studies}) > 1:
        caption += " The studies differ in data, scale or epochs: their accuracies do not compare."
    title, texts = "Best, baseline and published", frozenset({0, 1})
    return drop_empty_columns(Table(title, headings, tuple(rows), caption.strip(), texts), (0, 1))


def _objective(studies: Sequence[StudyData], otherwise: str) -> str:
    """Return the heading of the objective that all studies share."""
    found = {data.objective.heading for data in studies}
    return found.pop() if len(found) == 1 else otherwise


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


def times_table(studies: Sequence[StudyData], value: float) -> Table | None:
    """Return what each study had spent when a completed trial had ``value`` or a better one."""
    rows = []
    for data in studies:
        ended = spent_by_end(data)
        good = data.objective.sign * (ended["value"] - value) <= 0
        found = ended[(ended["state"] == "COMPLETE") & good].head(1)
        cells = {
            "study": data.name,
            "trial": "not reached",
            "trials ended": NOTHING,
            "epochs trained": NOTHING,
            _spent(studies): NOTHING,
            "wall time": NOTHING,
        }
        for _, row in found.iterrows():
            clock = (row["end"] - data.trials["start"].min()).total_seconds()
            cells |= {
                "trial": str(row["number"]),
                "trials ended": count((ended["end"] <= row["end"]).sum()),
                "epochs trained": count(row["epochs_spent"]),
                _spent(studies): time_span(row["seconds_spent"]),
                "wall time": time_span(clock),
            }
        rows.append((cells, PLAIN))
    title = f"Time to {studies[0].objective.described(value)}"
    caption = "The first completed trial that was as good, and what had been spent when it ended."
    return table_of(title, rows, caption, text_columns=(0, 1))


def _spent(studies: Sequence[StudyData]) -> str:
    unit = "CPU" if all(seconds_column(d) == "cpu_seconds" for d in studies) else "worker"
    return f"{unit} time, all trials"


def progress_chart(studies: Sequence[StudyData]) -> Chart | None:
    """Return the best completed trial so far against epochs and time spent."""
    title = f"best {_objective(studies, 'value')}"
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


def _parameters(studies: Sequence[StudyData]) -> Table | None:
    best = {data.name: data.best.params for data in studies if data.best is not None}
    rows = []
    for name in dict.fromkeys(name for params in best.values() for name in params):
        cells = [setting(params[name]) if name in params else NOTHING for params in best.values()]
        rows.append(Row((name, *cells), DIFFERS if len(set(cells)) > 1 else PLAIN))
    return Table("Best trial of each study", ("parameter", *best), tuple(rows)) if rows else None
