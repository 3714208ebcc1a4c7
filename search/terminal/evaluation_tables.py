"""The evaluation of one finished network in print, as the reports print it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from search.terminal.plain_line import PlainTable, say
from trainers.evaluation.evaluation import Evaluation
from trainers.models.summary import ModelSummary

MOST_CLASSES = 20  # a larger confusion matrix does not fit on a screen


def print_evaluation(
    console: Console,
    evaluation: Evaluation,
    classes: Sequence[str],
    summary: ModelSummary,
    published: Mapping[str, float],
    published_classes: Sequence[float],
) -> None:
    """All figures; the published ones beside them where there are any."""
    console.print(_figures(evaluation, summary, published))
    console.print(_classes(evaluation, classes, published_classes))
    if len(classes) <= MOST_CLASSES:
        console.print(_confusion(evaluation, classes))
    else:
        say(console, f"confusion matrix: {len(classes)} classes are too many to print")


def _figures(
    evaluation: Evaluation, summary: ModelSummary, published: Mapping[str, float]
) -> PlainTable:
    precision, recall, f1 = evaluation.confusion.scores().means()
    rows = (
        ("accuracy %", "test_top1", f"{evaluation.top1:.2f}"),
        ("top-5 accuracy %", "test_top5", f"{evaluation.top5:.2f}"),
        ("error %", "test_error", f"{100 - evaluation.top1:.2f}"),
        ("loss, mean over images", "test_loss", f"{evaluation.loss:.4f}"),
        (
            "loss, sum of batch means / images",
            "test_loss_batch_sum",
            f"{evaluation.loss_batch_sum:.5f}",
        ),
        ("precision %, mean of classes", "", f"{precision:.2f}"),
        ("recall %, mean of classes", "", f"{recall:.2f}"),
        ("F1 %, mean of classes", "", f"{f1:.2f}"),
        ("test images", "", f"{evaluation.images:,}"),
        ("test duration, s", "test_seconds", f"{evaluation.seconds:.2f}"),
        ("parameters", "parameters", f"{summary.parameters:,}"),
        ("multiply-accumulates an image", "macs", f"{summary.macs:,}"),
        (
            "the same with BatchNorm and pooling",
            "macs_with_norm_and_pool",
            f"{summary.macs_with_norm_and_pool:,}",
        ),
    )
    table = PlainTable(
        "test set", ("", "here", *(["published"] if published else [])), no_wrap=True
    )
    for label, metric, value in rows:
        beside = [_number(published.get(metric))] if published else []
        table.add_texts(label, value, *beside)
    return table


def _classes(
    evaluation: Evaluation, classes: Sequence[str], published: Sequence[float]
) -> PlainTable:
    """Accuracy of a class is its recall."""
    scores = evaluation.confusion.scores()
    columns = {
        "accuracy": scores.recall,
        "precision": scores.precision,
        "recall": scores.recall,
        "F1": scores.f1,
    }
    if len(published) == len(classes):
        columns["published accuracy"] = tuple(published)
    table = PlainTable("classes, %", ("class", *columns), no_wrap=True)
    for name, *figures in zip(classes, *columns.values(), strict=True):
        table.add_texts(name, *(f"{value:.1f}" for value in figures))
    return table


def _confusion(evaluation: Evaluation, classes: Sequence[str]) -> PlainTable:
    numbers = [str(number) for number in range(len(classes))]
    table = PlainTable("confusion matrix (rows: the truth)", ("", *numbers), no_wrap=True)
    for number, name, row in zip(numbers, classes, evaluation.confusion.matrix(), strict=True):
        table.add_texts(f"{number} {name}", *map(str, row))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
