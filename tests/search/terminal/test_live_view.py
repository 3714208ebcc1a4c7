"""The live view fits the terminal, whatever is at work; verbose lines tell more."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from search.study.events import Ended, Epoch, Started
from search.terminal.event_lines import line
from search.terminal.live_view import live_view
from search.terminal.progress import Progress
from trainers.metrics import METRICS

TOP1 = METRICS["val_top1"]
PARAMS = {"batch_size": 33, "lr": 0.059755, "augment": "crop"}


def busy(live: int, recent: int) -> Progress:
    progress = Progress(99)
    for number in range(recent):
        progress.take(Ended(number, "FAIL", f"[red]reason[/red] {'x' * 300}", {}, TOP1))
    for number in range(50, 50 + live):
        progress.take(Started(number, {"setting": "y" * 300}, 16, 0))
    return progress


def picture(view: Any, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    console.print(view)
    return console.file.getvalue().rstrip("\n").split("\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("height", [8, 12, 24, 50])
@pytest.mark.parametrize(("live", "recent"), [(0, 0), (1, 6), (40, 6), (3, 2)])
def test_the_view_is_never_taller_or_wider_than_the_terminal(
    live: int, recent: int, height: int
) -> None:
    for width in (40, 120):
        lines = picture(live_view(busy(live, recent), "published: 84.36 %", height), width, height)
        assert len(lines) < height + 2 if height < 9 else len(lines) <= height
        assert max(map(len, lines)) <= width


def test_the_view_has_bars_values_best_and_endings() -> None:
    progress = Progress(12)
    progress.take(Ended(1, "COMPLETE", "completed", PARAMS, TOP1, 88.125))
    progress.take(Started(2, PARAMS, 16, 0))
    progress.take(Epoch(2, 4, 16, 71.5, TOP1, {}))
    text = "\n".join(picture(live_view(progress, "published: test top-1 84.36 %", 30), 120, 30))
    for words in (
        "best 88.12 % (trial 1) · published: test top-1 84.36 %",
        "1/12 trials",
        "4/16",
        "71.50 %",
        "batch_size=33 lr=0.05976 augment=crop",
        "trial 1 completed, validation top-1 88.12 %",
        "ETA unknown (known when two trials have ended)",
    ):
        assert words in text, words


def test_trials_that_do_not_fit_are_counted() -> None:
    text = "\n".join(picture(live_view(busy(40, 6), "", 20), 100, 20))
    assert "more at work" in text


def test_detailed_epochs_tell_of_training_rate_and_time() -> None:
    result = {"val_loss": 0.5, "train_top1": 40.0, "train_loss": 1.25, "lr": 0.05, "seconds": 2.0}
    detail = (
        "validation top-1 51.23 %, validation loss 0.5000; "
        "training top-1 40.00 %, training loss 1.2500; lr 0.05, 2.0 s"
    )
    event = Epoch(3, 1, 16, 51.234, TOP1, result)
    assert line(event, detailed=True) == f"trial 3 epoch 1/16: {detail}"
    bare = Epoch(3, 1, 16, 50.0, TOP1, {})
    assert line(bare, detailed=True) == line(bare)
