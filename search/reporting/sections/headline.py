"""Reference, trial 0 and best side by side, and what changed from the recipe to the best."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial

from search.reporting.columns import PUBLISHED_AS
from search.reporting.section import Section, Tiles, section
from search.reporting.sections.references import published
from search.reporting.study_data import StudyData
from search.reporting.table import CHANGED, PLAIN, Row, Table, drop_empty_columns
from search.reporting.texts import (
    count,
    figure,
    heading,
    missing,
    percent,
    setting,
    time_span,
    whole_percent,
)

COMPARED = ("val_top1", "test_top1", "test_top5", "test_loss", "test_loss_batch_sum")
COSTS = ("parameters", "seconds", "best_epoch")


def headline(data: StudyData) -> Section | None:
    """Section 1 of the page."""
    blocks = [tiles(data), side_by_side(data), changes(data), published(data)]
    return section("result", "Result", blocks, lead(data))


def lead(data: StudyData) -> str:
    """The result in a sentence."""
    if data.best is None:
        return "No trial has completed yet."
    best = f"Trial {data.best.number} is the best of {data.spent.completed} completed"
    ours, recipe = data.best.value, data.recipe.value if data.recipe else None
    if ours is None or recipe is None or not data.is_accuracy:
        return f"{best}, with {data.metric} {setting(ours)}."
    if data.best is data.recipe:
        return f"The recipe itself is the best of {data.spent.completed} completed trials."
    gain = ours - recipe
    return f"{best}: {gain:.2f} points above the recipe on the validation split."


def tiles(data: StudyData) -> Tiles:
    """The search in a few figures."""
    spent = data.spent
    items = []
    if data.best is not None:
        words = data.metric.removesuffix(" (%)")
        unit = " %" if data.is_accuracy else ""
        value = percent(data.best.value) if data.is_accuracy else setting(data.best.value)
        items.append((f"best {words}", f"{value}{unit}", f"trial {data.best.number}"))
        test = data.row(data.best)["test_top1"]
        if not missing(test):
            items.append(("its test top-1", f"{percent(test)} %", _published_words(data)))
    states = [f"{spent.completed} completed", f"{spent.pruned} pruned"]
    if spent.failed:
        states.append(f"{spent.failed} failed")
    items.append(("trials ended", count(spent.ended), ", ".join(states)))
    saved = f"{count(spent.epochs_saved)} ({whole_percent(spent.saved_share)} %) saved by pruning"
    items.append(
        ("epochs trained", count(spent.epochs_trained), saved if spent.epochs_saved else "")
    )
    if spent.seconds:
        items.append(("workers' time", time_span(spent.seconds), ""))
    return Tiles(tuple(items))


def _published_words(data: StudyData) -> str:
    value = data.published.get("test_top1")
    return "" if value is None else f"published: {percent(value)} %"


def side_by_side(data: StudyData) -> Table | None:
    """Published, recipe and best, figure by figure."""
    columns = [("recipe", data.recipe), ("best", data.best)]
    if data.best is data.recipe:
        columns = columns[:1]
    shown = [(name, data.row(trial)) for name, trial in columns if trial is not None]
    if not shown:
        return None
    rows = []
    for metric in (*COMPARED, *COSTS):
        values = [row[metric] for _, row in shown]
        reference = data.published.get(PUBLISHED_AS.get(metric, metric))
        if all(map(missing, values)) and reference is None:
            continue
        cells = [heading(metric), figure(metric, reference)]
        cells += [figure(metric, value) for value in values]
        rows.append(Row((*cells, _difference(metric, values))))
    alone = " and the best" if data.best is data.recipe else ""
    names = {"recipe": f"trial 0, the recipe{alone}", "best": f"best, trial {_number(data.best)}"}
    headings = ("", "published", *(names[name] for name, _ in shown), "best − recipe")
    table = Table("Published, recipe and best", headings, tuple(rows), _scale(data))
    return drop_empty_columns(table)


def _number(trial: FrozenTrial | None) -> str:
    return "" if trial is None else str(trial.number)


def _difference(metric: str, values: list[Any]) -> str:
    if len(values) < 2 or any(map(missing, values)) or metric in COSTS:
        return ""
    difference = values[1] - values[0]
    text = figure(metric, abs(difference))
    return f"{'−' if difference < 0 else '+'}{text}"


def _scale(data: StudyData) -> str:
    dataset = data.attributes.get("dataset", {}).get("name")
    if dataset is None or not data.references:
        return ""
    source = data.attributes.get("space", {}).get("source", "the report")
    if data.at_report_scale:
        return f"Published: {source}. This study ran at the report's own scale, on {dataset}."
    return (
        f"Published: {source}, at its own scale and on its own data. This study ran the "
        f"{data.attributes.get('preset')} preset on {dataset}: for orientation only."
    )


def changes(data: StudyData) -> Table | None:
    """The parameters: what the recipe has, what the best has."""
    if data.best is None or data.best is data.recipe:
        return None
    if data.recipe is None:
        rows = [Row((name, setting(value))) for name, value in data.best.params.items()]
        return Table("Parameters of the best", ("parameter", "best"), tuple(rows)) if rows else None
    rows = []
    for name, value in data.best.params.items():
        old = data.recipe.params.get(name)
        mark = PLAIN if value == old else CHANGED
        rows.append(Row((name, setting(old), setting(value), _factor(old, value)), mark))
    headings = ("parameter", "recipe", "best", "change")
    return Table("From the recipe to the best", headings, tuple(rows)) if rows else None


def _factor(old: Any, new: Any) -> str:
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (old, new))
    if old == new:
        return "same"
    if not numbers or old <= 0 or new <= 0:
        return "changed"
    return f"× {new / old:.3g}"
