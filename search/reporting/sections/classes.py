"""Accuracy of each class, one row per setting (report C)."""

from __future__ import annotations

import numpy as np

from search.common.formatting import settings
from search.record.trials import ranked
from search.reporting.evaluations import Evaluation, read_evaluation
from search.reporting.study_data import StudyData
from search.reporting.table import BEST, PLAIN, PUBLISHED, RECIPE, Row, Table
from search.reporting.texts import percent

MOST_ROWS = 6
MOST_CLASSES = 20
EXTREMES = 10
CALLED = {"airplane": "plane", "automobile": "car"}  # CIFAR-10's names, in the reports' words


def per_class(data: StudyData) -> Table | None:
    """The best trials and the recipe; with many classes, the ten worst and best of the best."""
    found = evaluated(data)
    if not found:
        return None
    _, first = found[0]
    shown = np.arange(len(first.classes))
    caption = "Test set, weights of the best epoch."
    if len(shown) > MOST_CLASSES:
        order = np.argsort(np.nan_to_num(first.recall, nan=np.inf))
        shown = np.concatenate([order[:EXTREMES], order[-EXTREMES:]])
        caption += f" Of {len(first.classes)} classes the {EXTREMES} worst and the {EXTREMES} best."
    names = [first.classes[i] for i in shown]
    rows = published_rows(data, names)
    for number, evaluation in found:
        trial = data.frozen[number]
        is_recipe = data.recipe is not None and number == data.recipe.number
        is_best = data.best is not None and number == data.best.number
        words = "the recipe" if is_recipe else settings(changed(data, number))
        cells = [percent(evaluation.recall[i]) for i in shown]
        test = trial.user_attrs.get("test_top1")
        mark = BEST if is_best else RECIPE if is_recipe else PLAIN
        rows.append(Row((str(number), words, percent(test), *cells), mark))
    headings = ("trial", "setting", "test top-1 (%)", *names)
    text = frozenset({0, 1})
    return Table("Accuracy of each class (%)", headings, tuple(rows), caption, text)


def published_rows(data: StudyData, classes: list[str]) -> list[Row]:
    """What was published for just these classes, one row per setting."""
    names = [CALLED.get(name, name) for name in classes]
    found: dict[str, dict[str, float]] = {}
    totals: dict[str, float] = {}
    for reference in data.references:
        others = {k: v for k, v in reference["setting"].items() if k != "class"}
        if reference["metric"] == "class_top1":
            of_setting = found.setdefault(settings(others), {})
            of_setting[str(reference["setting"].get("class"))] = reference["value"]
        elif reference["metric"] == "test_top1":
            totals.setdefault(settings(others), reference["value"])
    return [
        Row(
            (
                "published",
                words or "the recipe",
                percent(totals.get(words)),
                *(percent(values[name]) for name in names),
            ),
            PUBLISHED,
        )
        for words, values in found.items()
        if set(names) <= set(values)
    ]


def changed(data: StudyData, number: int) -> dict[str, object]:
    """What a trial has other than the recipe."""
    old = data.recipe.params if data.recipe else {}
    params = data.frozen[number].params
    return {name: value for name, value in params.items() if old.get(name, None) != value}


def evaluated(data: StudyData) -> list[tuple[int, Evaluation]]:
    """The best trials and the recipe with the same classes, the best first."""
    done = ranked(data.frozen, data.direction)
    chosen = done[:MOST_ROWS]
    chosen += [trial for trial in done[MOST_ROWS:] if trial is data.recipe]
    found = [(t.number, read_evaluation(data.folder, t.number)) for t in chosen]
    there = [(number, e) for number, e in found if e is not None]
    return [(number, e) for number, e in there if e.classes == there[0][1].classes]
