"""A training run in the terminal: a line per epoch, a bar for the epoch and one for the run."""

from __future__ import annotations

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
from search.terminal.plain_line import say
from trainers.epoch_result import EpochResult
from trainers.runs.training_run import TrainingRun


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
    """``epoch 3/10: lr 0.1, train loss 1.2345 …``."""
    return (
        f"epoch {result.epoch}/{epochs}: lr {number(result.lr)}, "
        f"train loss {result.train_loss:.4f} top-1 {result.train_top1:.2f} %, "
        f"validation loss {result.val_loss:.4f} top-1 {result.val_top1:.2f} %, "
        f"{result.seconds + result.val_seconds:.1f} s"
    )
