"""What networks get right and wrong, class by class: confusion, precision, recall, F1, accuracy per
setting; pictures where there are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.common.formatting import settings
from search.common.layout import StudyFolder
from search.common.statistics import accuracy
from search.reporting.blocks import (
    REFERENCE,
    RULE,
    Block,
    Chart,
    Picture,
    Row,
    Section,
    Table,
    chart,
    section,
)
from search.reporting.figures import labelled_axis, new_figure
from search.reporting.format import count, figure, heading
from search.reporting.study_data import StudyData
from search.reporting.trial_points import main_trials
from trainers.evaluation.confusion import ClassScores, Confusion

MOST_ROWS = 6
MOST_CLASSES, EXTREMES = 20, 10  # classes in a table; of more, the worst and the best
MOST_CELLS = 100  # classes of a confusion matrix: more are less than a pixel
ROOM_FOR_LABELS = 60  # characters along the top of a matrix
LARGEST_PICTURE = 3_000_000  # bytes
CALLED = {"airplane": "plane", "automobile": "car"}  # CIFAR-10's names, in the reports' words


@dataclass(frozen=True)
class ClassCounts:
    """A trial's ``test.json``: the classes' names, and which was called what."""

    classes: tuple[str, ...]
    confusion: Confusion

    @cached_property
    def scores(self) -> ClassScores:
        return self.confusion.scores()


def read_counts(folder: StudyFolder, number: int) -> ClassCounts | None:
    """Return the test set's counts of trial ``number``; None where there are none, or the file is
    damaged."""
    try:
        content = json.loads(folder.evaluation(number).read_text(encoding="utf-8"))
        classes = tuple(map(str, content["classes"]))
        confusion = Confusion.from_mapping(content)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return ClassCounts(classes, confusion) if classes else None


def evaluation(data: StudyData) -> Section | None:
    """Return the best trial on the test set."""
    blocks: list[Block | None] = []
    lead = ""
    if data.best is not None:
        found = read_counts(data.folder, data.best.number)
        if found is not None:
            lead = "The best trial on the test set, with the weights of its best epoch."
            blocks += [confusion_chart(found, data.best.number), scores_table(found)]
    blocks += _feature_maps(data)
    return section("evaluation", "Evaluation", blocks, lead)


def best_confusion(data: StudyData) -> Chart | None:
    """Return the confusion matrix of the best trial, where it was evaluated."""
    if data.best is None:
        return None
    found = read_counts(data.folder, data.best.number)
    return None if found is None else confusion_chart(found, data.best.number)


def confusion_chart(found: ClassCounts, number: int) -> Chart | None:
    """Return shares of each row, so that classes of any size compare; None for more classes than
    can be told apart."""
    classes = len(found.classes)
    if classes > MOST_CELLS:
        return None
    counts = found.confusion.matrix()
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1))[:, None]
    few = classes <= MOST_CLASSES
    drawn = new_figure("", "predicted class", "true class", max(360, min(760, 120 + 30 * classes)))
    drawn.add_heatmap(
        z=shares.tolist(),
        text=[[f"{n}" if n and few else "" for n in row] for row in counts],
        texttemplate="%{text}",
        colorscale=[[0, "rgba(47, 129, 214, 0)"], [1, "rgba(47, 129, 214, 0.95)"]],
        zmin=0,
        zmax=100,
        xgap=1,
        ygap=1,
        colorbar={"title": {"text": "%"}, "thickness": 12, "outlinewidth": 0},
        hovertemplate="true %{y}, predicted %{x}: %{z:.1f} %<extra></extra>",
    )
    axis = labelled_axis(found.classes) if classes <= 2 * MOST_CLASSES else {}
    crowded = sum(map(len, found.classes)) > ROOM_FOR_LABELS
    drawn.update_xaxes(axis, side="top", showgrid=False, tickangle=-50 if crowded else 0)
    turned = {"range": [classes - 0.5, -0.5]}
    drawn.update_yaxes(axis | turned, showgrid=False)
    caption = "Counts; colour = row %." if few else "Row %."
    return chart("confusion", f"Confusion matrix, trial {number}", [drawn], caption)


def extremes(values: tuple[float, ...]) -> tuple[np.ndarray, str]:
    """Return which classes are shown, and in words which these are if not all."""
    if len(values) <= MOST_CLASSES:
        return np.arange(len(values)), ""
    order = np.argsort(values, kind="stable")
    words = f" Of {len(values):,} classes the {EXTREMES} worst and the {EXTREMES} best."
    return np.concatenate([order[:EXTREMES], order[-EXTREMES:]]), words


def scores_table(found: ClassCounts) -> Table:
    """Return precision, recall and F1 of each class and their means."""
    scores = found.scores
    shown, words = extremes(scores.f1)
    columns = (scores.precision, scores.recall, scores.f1)
    rows = [
        Row((found.classes[i], *(_percent(c[i]) for c in columns), count(scores.images[i])))
        for i in shown
    ]
    rows.append(Row(("macro", *map(_percent, scores.means()), count(sum(scores.images))), RULE))
    headings = ("class", "precision (%)", "recall (%)", "F1 (%)", "images")
    caption = f"Macro: the mean over classes; a class never predicted counts as 0.{words}"
    return Table("Precision, recall, F1", headings, tuple(rows), caption)


def _percent(value: float | None) -> str:
    return figure("class_top1", value)


def _feature_maps(data: StudyData) -> list[Picture]:
    """Return the pictures in the folders of the baseline and the best."""
    found = []
    for name, role, trial in main_trials(data):
        path = data.folder.feature_maps(trial.number)
        if path.is_file() and path.stat().st_size <= LARGEST_PICTURE:
            found.append(Picture(f"feature-maps-{role}", f"Feature maps: {name}", path))
    return found


def per_class(data: StudyData) -> Table | None:
    """Return the best trials and the baseline; with many classes, the best trial's extremes."""
    found = _evaluated(data)
    if not found:
        return None
    _, first = found[0]
    shown, words = extremes(first.scores.recall)
    names = [first.classes[i] for i in shown]
    rows = _reference_rows(data, names)
    for number, counts in found:
        cells = [_percent(counts.scores.recall[i]) for i in shown]
        test = data.figure("test_top1", data.trials["test_top1"].iloc[number])
        rows.append(
            Row((str(number), data.changed_in_words(number), test, *cells), data.mark(number))
        )
    headings = ("trial", "changed from baseline", heading("test_top1"), *names)
    fewest = min(filter(None, first.scores.images), default=1)
    noise = f"≥ {fewest:,} images per class; 95 % CI up to ±{accuracy(50, fewest).half:.1f} points"
    caption = f"Test set, weights of the best epoch. {noise} (one run).{words}"
    return Table("Per-class accuracy (%)", headings, tuple(rows), caption, frozenset({0, 1}))


def _reference_rows(data: StudyData, classes: list[str]) -> list[Row]:
    """Return the published figures of just these classes, one row per setting."""
    names = [CALLED.get(name, name) for name in classes]
    found: dict[str, dict[str, float]] = {}
    totals: dict[str, float] = {}
    for reference in data.references:
        words = settings({k: v for k, v in reference.setting.items() if k != "class"})
        if reference.metric == "class_top1":
            found.setdefault(words, {})[str(reference.setting.get("class"))] = reference.value
        elif reference.metric == "test_top1":
            totals.setdefault(words, reference.value)
    return [
        Row(("published", words or "baseline", _percent(totals.get(words)), *cells), REFERENCE)
        for words, values in found.items()
        if (cells := [_percent(values.get(name)) for name in names]) and set(names) <= set(values)
    ]


def _evaluated(data: StudyData) -> list[tuple[int, ClassCounts]]:
    """Return the best trials and the baseline with the same classes, the best first."""
    chosen = data.ranked[:MOST_ROWS]
    chosen += [trial for trial in data.ranked[MOST_ROWS:] if trial is data.baseline]
    found = [(t.number, counts) for t in chosen if (counts := read_counts(data.folder, t.number))]
    return [(number, counts) for number, counts in found if counts.classes == found[0][1].classes]
