"""The terminal while a search runs: a live view, or one line per event in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from optuna.study import Study
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.closing import best_trial, published_figures
from search.events import Ended, Event, Note
from search.job import Job
from search.progress import Progress
from search.wording import duration, line, settings

STATE_STYLES = {"COMPLETE": "green", "PRUNED": "yellow", "FAIL": "red"}


class Display:
    """Shows events: call it with each. ``reference`` is the published figure in words."""

    def __init__(self, progress: Progress, console: Console, log: IO[str], reference: str):
        self.progress = progress
        self.console = console
        self.log = log
        self.reference = reference
        self._live: Live | None = None

    def __call__(self, event: Event) -> None:
        self.progress.take(event)
        text = line(event)
        self.log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self.log.flush()
        if self._live is None:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif isinstance(event, Note):
            self._live.console.print(text, markup=False, highlight=False)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within: the live view, if there is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self.render, console=self.console, refresh_per_second=4, transient=True
        ) as self._live:
            try:
                yield
            finally:
                self._live = None

    def render(self) -> RenderableType:
        """The view of this moment."""
        return Group(self._head(), self._trials(), self._recent())

    def _head(self) -> Text:
        progress = self.progress
        best = progress.best
        left = progress.seconds_left()
        parts = [f"{progress.ended} of {progress.n_trials} trials ended"]
        if best is not None:
            parts.append(f"best {best.value:.2f} % (trial {best.number})")
        parts.append(self.reference)
        if left is not None:
            parts.append(f"about {duration(left)} left at this rate of pruning")
        return Text(" · ".join(part for part in parts if part), style="bold")

    def _trials(self) -> Table:
        table = Table(box=None, pad_edge=False, expand=True)
        table.add_column("trial", justify="right")
        table.add_column("epoch", justify="right", no_wrap=True)
        table.add_column("", width=20)
        table.add_column("validation", justify="right", no_wrap=True)
        table.add_column("setting", ratio=1)
        for live in list(self.progress.live.values()):  # another thread draws than counts
            value = "–" if live.value is None else f"{live.value:.2f} %"
            bar = ProgressBar(total=live.epochs, completed=live.epoch, width=20)
            epoch = f"{live.epoch}/{live.epochs}"
            table.add_row(str(live.number), epoch, bar, value, settings(live.params))
        return table

    def _recent(self) -> Text:
        text = Text()
        for event in list(self.progress.recent):
            text.append(line(event) + "\n", style=STATE_STYLES.get(event.state, ""))
        return text


def display_for(job: Job, study: Study, console: Console, log: IO[str]) -> Display:
    """The display of a search that begins or goes on."""
    progress = Progress(job.n_trials)
    for trial in study.get_trials(deepcopy=False):
        if trial.state.is_finished():
            progress.ended += 1
            progress.epochs_of_ended += len(trial.intermediate_values)
    best = best_trial(study)
    if best is not None:
        progress.best = Ended(best.number, best.state.name, best.value, "", best.params)
    published = published_figures(study).get("test_top1")
    return Display(progress, console, log, f"published {published} %" if published else "")


def open_log(path: Path) -> IO[str]:
    """The study's log file, to append to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "a", encoding="utf-8")
