"""Reference, recipe and choice side by side, and what changed from the one to the other. The choice
is the verdict's; the search's best where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from search.common.formatting import settings
from search.common.statistics import accuracy, accuracy_difference
from search.reporting.blocks import (
    CHANGED,
    PLAIN,
    Row,
    Section,
    Table,
    Tiles,
    drop_empty_columns,
    section,
    table_of,
)
from search.reporting.format import (
    NOTHING,
    count,
    figure,
    heading,
    missing,
    setting,
    time_span,
    whole_percent,
)
from search.reporting.study_data import StudyData
from trainers.metrics import find_metric

COMPARED = ("test_top1", "test_top5", "test_loss", "test_loss_batch_sum")
COSTS = ("parameters", "seconds", "best_epoch")
NOT_OF_A_TRIAL = {"class", "layer"}  # settings with a table of their own, or with none here
MOST_TIES = 5


def result(data: StudyData) -> Section | None:
    """Section 1 of the page."""
    blocks = [tiles(data), side_by_side(data), changes(data), references_table(data)]
    return section("result", "Result", blocks, lead(data))


def lead(data: StudyData) -> str:
    """The result in a sentence, with its noise."""
    if data.best is None or data.best.value is None:
        return "No trial has completed yet."
    if data.best is data.recipe:
        best = f"The recipe itself is the best of {data.spent.completed} completed trials"
    else:
        best = f"Trial {data.best.number} is the best of {data.spent.completed} completed"
    if data.recipe is None or data.recipe.value is None or data.best is data.recipe:
        words = f"{best}, with {data.objective.described(data.best.value)}"
    else:
        words = f"{best}: {_gain(data, data.best.value, data.recipe.value)}"
    return f"{words}{_ties(data)}.{_choice(data)}"


def _choice(data: StudyData) -> str:
    if data.choice is data.best or data.choice is None:
        return ""
    return f" Fresh seeds chose trial {data.choice.number}, which stands beside the recipe below."


def _gain(data: StudyData, best: float, recipe: float) -> str:
    """``+6.62 points of validation top-1 against the recipe on 287 validation images (95 %: +3.52
    to +9.80)``."""
    unit = " points of" if data.objective.unit == "%" else " of"
    words = f"{signed(data.objective.name, best - recipe)}{unit} {data.objective.label}"
    words += " against the recipe"
    images = data.validation_images
    if images is None:
        return words
    words += f" on {images:,} validation images"
    if data.objective.unit != "%":
        return f"{words}, one run each"
    found = accuracy_difference(best, recipe, images)
    low, high = (signed(data.objective.name, bound) for bound in (found.low, found.high))
    doubt = ", so it may be chance" if 0 in found else ""
    return f"{words} (95 %: {low} to {high}{doubt})"


def _ties(data: StudyData) -> str:
    others = [t.number for t in data.ranked[1:] if t.value == data.ranked[0].value]
    if not others:
        return ""
    more = f" and {len(others) - MOST_TIES} more" if len(others) > MOST_TIES else ""
    trials = "trial" if len(others) == 1 else "trials"
    return f", tied with {trials} {', '.join(map(str, others[:MOST_TIES]))}{more}"


def signed(metric: str, difference: float) -> str:
    return f"{'−' if difference < 0 else '+'}{figure(metric, abs(difference))}"


def tiles(data: StudyData) -> Tiles:
    """The search in a few figures."""
    spent = data.spent
    items = []
    if data.best is not None and data.best.value is not None:
        value = data.objective.quantity(data.best.value)
        words = f"trial {data.best.number}{_interval(data, data.objective.name, data.best.value)}"
        items.append((f"best {data.objective.label}", value, words))
        test = data.row(data.best)["test_top1"]
        if not missing(test):
            metric = find_metric("test_top1")
            reference = data.recipe_references.get("test_top1")
            words = "" if reference is None else f"; reference: {metric.quantity(reference)}"
            words = (_interval(data, metric.name, test) + words).removeprefix(",").removeprefix(";")
            items.append((f"its {metric.label}", metric.quantity(test), words.strip()))
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


def _interval(data: StudyData, metric: str, value: float) -> str:
    """``, 95 %: 88.0 to 93.1, n = 287``."""
    images = data.images(metric)
    if not images:
        return ""
    found = accuracy(value, images)
    return f", 95 %: {found.low:.1f} to {found.high:.1f}, n = {images:,}"


def side_by_side(data: StudyData) -> Table | None:
    """Reference, recipe and choice, figure by figure."""
    word, choice = _choice_word(data), data.choice
    columns = [("recipe", data.recipe), (word, choice)]
    if choice is data.recipe:
        columns = columns[:1]
    shown = [(name, data.row(trial)) for name, trial in columns if trial is not None]
    if not shown:
        return None
    found = [(data.objective.heading, data.objective.name, [row["best_value"] for _, row in shown])]
    found += [(heading(m), m, [row[m] for _, row in shown]) for m in (*COMPARED, *COSTS)]
    rows = []
    for words, metric, values in found:
        reference = data.recipe_references.get(metric)
        if all(map(missing, values)) and reference is None:
            continue
        cells = [figure(metric, reference), *(data.figure(metric, value) for value in values)]
        rows.append(Row((words, *cells, _difference(metric, values))))
    alone = " and the best" if choice is data.recipe else ""
    number = "" if choice is None else choice.number
    names = {"recipe": f"trial 0, the recipe{alone}", word: f"{word}, trial {number}"}
    headings = ("", "reference", *(names[name] for name, _ in shown), f"{word} − recipe")
    caption = " ".join(filter(None, (_scale(data), data.interval_note)))
    table = Table(f"Reference, recipe and {word}", headings, tuple(rows), caption)
    return drop_empty_columns(table)


def _choice_word(data: StudyData) -> str:
    return "best" if data.choice is data.best else "chosen"


def _difference(metric: str, values: Sequence[Any]) -> str:
    if len(values) < 2 or any(map(missing, values)) or metric in COSTS:
        return ""
    return signed(metric, values[1] - values[0])


def _scale(data: StudyData) -> str:
    if data.record is None or not data.references or not data.record.data.name:
        return ""
    source = data.record.space.source or "the report"
    dataset = data.record.data.name
    if data.at_report_scale:
        return f"Reference: {source}. This study ran at the report's own scale, on {dataset}."
    return (
        f"Reference: {source}, at its own scale and on its own data. This study ran the "
        f"{data.record.space.preset} preset on {dataset}: for orientation only."
    )


def changes(data: StudyData) -> Table | None:
    """The parameters: what the recipe has, what the choice has."""
    word, choice = _choice_word(data), data.choice
    if choice is None or choice is data.recipe or not choice.params:
        return None
    if data.recipe is None:
        rows = [Row((name, setting(value))) for name, value in choice.params.items()]
        return Table(f"Parameters of the {word}", ("parameter", word), tuple(rows))
    rows = []
    for name, value in choice.params.items():
        old = data.recipe.params.get(name)
        mark = PLAIN if value == old else CHANGED
        rows.append(Row((name, setting(old), setting(value), _factor(old, value)), mark))
    headings = ("parameter", "recipe", word, "change")
    return Table(f"From the recipe to the {word}", headings, tuple(rows))


def _factor(old: Any, new: Any) -> str:
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (old, new))
    if old == new:
        return "same"
    if not numbers or old <= 0 or new <= 0:
        return "changed"
    return f"× {new / old:.3g}"


def changed(data: StudyData, number: int) -> dict[str, object]:
    """What a trial has other than the recipe."""
    old = data.recipe.params if data.recipe else {}
    params = data.frozen[number].params
    return {name: value for name, value in params.items() if old.get(name) != value}


def differs_in_words(data: StudyData, number: int) -> str:
    """``lr=0.05 depth=16``: what a trial has other than the recipe."""
    is_recipe = data.recipe is not None and number == data.recipe.number
    return "the recipe" if is_recipe else settings(changed(data, number))


def references_table(data: StudyData) -> Table | None:
    """Every reference figure beside the trial with just that setting, where there is one."""
    rows = []
    for reference in data.references:
        if NOT_OF_A_TRIAL & set(reference.setting):
            continue
        trial = _trial_with(data, reference.setting)
        ours = None if trial is None else _measured(data.row(trial), reference.metric)
        words = ", ".join(f"{k} = {setting(v)}" for k, v in reference.setting.items())
        cells = {
            "figure": heading(reference.metric),
            "configuration": words or "the recipe",
            "reference": figure(reference.metric, reference.value),
            "this study": data.figure(reference.metric, ours),
            "trial": NOTHING if trial is None else str(trial.number),
            "source": reference.source,
        }
        rows.append((cells, "" if trial is None or trial is not data.best else "best"))
    caption = "This study: the completed trial with the recipe's values and just this changed."
    return table_of("All reference figures", rows, caption, (0, 1, 5))


def _measured(row: pd.Series, name: str) -> Any:
    """A trial's figure by the name that references have for it; None where it has none."""
    if name == "test_error":
        return 100 - row["test_top1"]
    return row.get(find_metric(name).name)


def _trial_with(data: StudyData, changed: Mapping[str, Any]) -> FrozenTrial | None:
    """The completed trial that is the recipe but for ``changed``."""
    assert data.record is not None  # it has references
    baseline, fixed = data.record.space.baseline, data.record.space.fixed
    for name, value in changed.items():
        if name not in baseline and fixed.get(name) != value:
            return None
    wanted = {name: changed.get(name, value) for name, value in baseline.items()}
    for trial in data.frozen:
        if trial.state == TrialState.COMPLETE and trial.params == wanted:
            return trial
    return None
