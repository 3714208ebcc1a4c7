"""The evaluation of one finished network in print, as the reports print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from search.terminal.plain_line import PlainTable, say
from trainers.data import ImageData
from trainers.evaluation.confusion import ClassScores
from trainers.evaluation.evaluation import Evaluation
from trainers.evaluation.feature_maps import feature_maps, save_feature_picture
from trainers.metrics import Metric, find_metric
from trainers.models.summary import ModelSummary
from trainers.trainer import Trainer

MOST_CLASSES = 20  # in a table; of more, the worst and the best, half of each
FIGURES = (
    "test_top1",
    "test_top5",
    "test_error",
    "test_loss",
    "test_loss_batch_sum",
    "test_seconds",
)
SIZES = ("parameters", "macs", "macs_with_norm_and_pool")


def print_evaluation(
    console: Console,
    evaluation: Evaluation,
    classes: Sequence[str],
    summary: ModelSummary,
    references: Mapping[str, float],
    class_references: Sequence[float],
) -> None:
    """Print all figures, with the reference figures beside them where there are any."""
    scores = evaluation.confusion.scores()
    console.print(_figures(evaluation, scores, summary, references))
    console.print(_classes(scores, classes, class_references))
    if len(classes) <= MOST_CLASSES:
        console.print(_confusion(evaluation, classes))
    else:
        say(console, f"confusion matrix: {len(classes)} classes are too many to print")


def draw_maps(
    console: Console, trainer: Trainer, data: ImageData, names: Sequence[str], path: Path
) -> None:
    """Draw what convolutions make of the first test image, if any are asked for."""
    if not names:
        return
    image = next(iter(trainer.batches.test()))[0][:1]
    save_feature_picture(path, data.test_images[0], feature_maps(trainer.model, image, names))
    say(console, f"feature maps of the first test image: {path}")


def _figures(
    evaluation: Evaluation,
    scores: ClassScores,
    summary: ModelSummary,
    references: Mapping[str, float],
) -> PlainTable:
    found = {**evaluation.figures(), "test_error": 100 - evaluation.top1}
    rows = [_row(find_metric(name), found[name], references) for name in FIGURES if name in found]
    means = zip(("precision", "recall", "F1"), scores.means(), strict=True)
    rows += [(f"{name}, mean of classes (%)", f"{value:.2f}", "") for name, value in means]
    rows.append(("test images", f"{evaluation.images:,}", ""))
    rows += [_row(find_metric(name), getattr(summary, name), references) for name in SIZES]
    table = PlainTable("test set", ("", "here", *(["published"] if references else [])))
    for row in rows:
        table.add_texts(*row[: 3 if references else 2])
    return table


def _row(metric: Metric, value: float, references: Mapping[str, float]) -> tuple[str, str, str]:
    """Counts to the last digit; everything else as the table of metrics has it."""
    label = metric.label if metric.integer else metric.heading
    ours, theirs = (
        "" if v is None else f"{v:,.0f}" if metric.integer else metric.format(v)
        for v in (value, references.get(metric.name))
    )
    return label, ours, theirs


def _classes(
    scores: ClassScores, classes: Sequence[str], references: Sequence[float]
) -> PlainTable:
    """Return the table of classes; the accuracy of a class is its recall."""
    columns = {"accuracy": scores.recall, "precision": scores.precision, "F1": scores.f1}
    if len(references) == len(classes):
        columns["published accuracy"] = tuple(references)
    table = PlainTable("classes, %", ("class", *columns), no_wrap=True)
    order = sorted(range(len(classes)), key=lambda i: scores.recall[i])
    half = MOST_CLASSES // 2
    shown = range(len(classes)) if len(classes) <= 2 * half else (*order[:half], *order[-half:])
    for i in shown:
        table.add_texts(classes[i], *(f"{column[i]:.1f}" for column in columns.values()))
    words = "a class never predicted counts as 0"
    if len(shown) < len(classes):
        words = f"the {half} worst and the {half} best of {len(classes):,} classes; {words}"
    table.explain(words)
    return table


def _confusion(evaluation: Evaluation, classes: Sequence[str]) -> PlainTable:
    numbers = [str(number) for number in range(len(classes))]
    table = PlainTable("confusion matrix (rows: the truth)", ("", *numbers), no_wrap=True)
    for number, name, row in zip(numbers, classes, evaluation.confusion.matrix(), strict=True):
        table.add_texts(f"{number} {name}", *map(str, row))
    return table
