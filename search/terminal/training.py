"""A single training run in the terminal: bars and a line per epoch, then its figures beside the
published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from search.common.formatting import number
from search.common.layout import FEATURE_MAPS
from search.settings.references import class_figures, plain_figures, references_for
from search.settings.request import SingleRun
from search.terminal.evaluation_tables import draw_maps, print_evaluation
from search.terminal.plain_line import say
from trainers.epoch_result import EpochResult
from trainers.metrics import METRICS, find_metric
from trainers.models.summary import summarize
from trainers.runs.training_run import TrainingRun

COST_AND_TRAINING = (
    "train_top1",
    "train_loss",
    "seconds",
    "seconds_per_epoch",
    "cpu_utilization",
    "gpu_utilization",
    "peak_memory_mb",
    "gpu_peak_memory_mb",
    "gpu_own_peak_memory_mb",
    "gpu_power_w",
)


def train_with_bars(console: Console, run: TrainingRun, epochs: int) -> None:
    """Trains ``run`` to its end. Bars show on a terminal only, lines everywhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        images = len(run.trainer.train_indices)
        whole = progress.add_task("epochs", total=epochs)
        bar = progress.add_task("images", total=images)
        run.trainer.on_step = partial(progress.advance, bar)
        for result in run.results():
            say(console, epoch_line(result, epochs))
            progress.update(whole, completed=result.epoch)
            progress.reset(bar)
    if run.trainer.history and len(run.trainer.history) < epochs:
        say(console, f"stopped early: no better epoch for {run.trainer.config.early_stopping}")


def epoch_line(result: EpochResult, epochs: int) -> str:
    """Return an epoch's line, such as ``epoch 3/10: lr 0.1, train loss 1.2345 …``."""
    return (
        f"epoch {result.epoch}/{epochs}: lr {number(result.lr)}, "
        f"train loss {result.train_loss:.4f} top-1 {result.train_top1:.2f} %, "
        f"validation loss {result.val_loss:.4f} top-1 {result.val_top1:.2f} %, "
        f"{result.seconds + result.val_seconds:.1f} s"
    )


def conclude_run(
    console: Console, single: SingleRun, run: TrainingRun, maps: Sequence[str]
) -> None:
    """Tests ``run`` at its best epoch and prints all figures."""
    evaluation = run.test()
    history, data = run.trainer.history, run.data
    best = run.trainer.best_epoch
    references = references_for(single.space, single.config, single.dataset)
    summary = summarize(run.trainer.model, data.in_channels, data.image_size)
    say(console, f"evaluated at the best epoch on validation, {best} of {len(history)}:")
    figures = {find_metric(name).name: v for name, v in plain_figures(references).items()}
    classes = class_figures(references)
    print_evaluation(console, evaluation, data.classes, summary, figures, classes)
    print_run(console, run, figures)
    draw_maps(console, run.trainer, data, maps, run.folder / FEATURE_MAPS)
    say(console, f"files: {run.folder}")


def print_run(console: Console, run: TrainingRun, references: Mapping[str, float]) -> None:
    """Print the result of training and its cost: the last epoch's training, the best validation."""
    history, objective = run.trainer.history, METRICS[run.trainer.config.objective]
    best = getattr(history[run.trainer.best_epoch - 1], objective.name)
    found = {find_metric(name).name: value for name, value in run.usage().items()}
    found |= {name: getattr(history[-1], name) for name in ("train_top1", "train_loss")}
    for metric in (objective, *map(find_metric, COST_AND_TRAINING)):
        value = best if metric is objective else found.get(metric.name)
        if value is not None:
            beside = references.get(metric.name)
            words = "" if beside is None else f" (published: {metric.quantity(beside)})"
            say(console, f"{metric.described(value)}{words}")
