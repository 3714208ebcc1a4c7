"""The end of a single training run: the test set, the published figures, feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from search.common.formatting import number
from search.common.layout import FEATURE_MAPS
from search.planning.references import class_figures, plain_figures, references_for
from search.planning.single_run import SingleRun
from search.terminal.evaluation_tables import print_evaluation
from search.terminal.feature_output import draw_maps
from search.terminal.plain_line import say
from trainers.models.summary import summarize
from trainers.runs.training_run import TrainingRun

COST_AND_TRAINING = (
    "train_top1",
    "train_loss",
    "val_top1",
    "wall_seconds",
    "seconds_per_epoch",
    "cpu_utilization",
    "gpu_utilization",
    "peak_memory_mb",
    "gpu_peak_memory_mb",
    "gpu_power_w",
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
    figures = plain_figures(references)
    classes = class_figures(references)
    print_evaluation(console, evaluation, data.classes, summary, figures, classes)
    print_run(console, run, figures)
    draw_maps(console, run.trainer, data, maps, run.folder / FEATURE_MAPS)
    say(console, f"files: {run.folder}")


def print_run(console: Console, run: TrainingRun, published: Mapping[str, float]) -> None:
    """What training came to and cost."""
    usage = run.usage()
    last = run.trainer.history[-1]
    figures = {
        "train_top1": last.train_top1,
        "train_loss": last.train_loss,
        "val_top1": max(result.val_top1 for result in run.trainer.history),
        **usage,
    }
    for name in COST_AND_TRAINING:
        if name in figures:
            beside = f" (published: {published[name]:g})" if name in published else ""
            say(console, f"{name}: {number(figures[name])}{beside}")
