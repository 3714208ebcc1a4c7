"""The terminal while a search runs: a live view, or one line per event in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from optuna.study import Study
from rich.console import Console, RenderableType
from rich.live import Live

from search.reporting.comparison import reference_figures
from search.settings.plan import SearchPlan, TrialPlan
from search.study.events import Event, Note, Standing
from search.terminal.event_lines import line
from search.terminal.live_view import live_view
from search.terminal.notebook import NotebookView, in_notebook
from search.terminal.plain_line import say
from search.terminal.progress import Progress
from trainers.metrics import METRICS

QUIET, NORMAL, VERBOSE = "quiet", "normal", "verbose"


class Display:
    """Shows events: call it with each. ``reference`` is the report's figure in words.

    Quiet shows warnings alone, verbose a line per event above the live view too. The log gets
    every event, whatever is shown.
    """

    def __init__(
        self,
        progress: Progress,
        console: Console,
        log: IO[str],
        reference: str,
        verbosity: str = NORMAL,
    ):
        self.progress = progress
        self.console = console
        self.log = log
        self.reference = reference
        self.verbosity = verbosity
        self._live: Live | NotebookView | None = None

    def __call__(self, event: Event) -> None:
        self.progress.take(event)
        if isinstance(self._live, NotebookView):
            self._live.update()
        if isinstance(event, Standing):
            return
        text = line(event, detailed=self.verbosity == VERBOSE)
        self.log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self.log.flush()
        if self._is_shown(event):
            say(self.console, text)

    def _is_shown(self, event: Event) -> bool:
        """Whether it gets a line: what the live view has needs none."""
        if self.verbosity == QUIET:
            return isinstance(event, Note) and event.warning
        return isinstance(event, Note) or self._live is None or self.verbosity == VERBOSE

    def turn_to(self, study: Study, plan: TrialPlan) -> None:
        """Another study is at work from now on."""
        self.progress = progress_of(study, plan)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within: the live view, if there is a terminal or a notebook and somebody looks."""
        try:
            if self.verbosity == QUIET:
                yield
            elif in_notebook():
                with closing(NotebookView(self.render)) as self._live:
                    yield
            elif self.console.is_terminal:
                with Live(
                    get_renderable=lambda: self.render(self.console.height),
                    console=self.console,
                    refresh_per_second=4,
                    transient=True,
                ) as self._live:
                    yield
            else:
                yield
        finally:
            self._live = None

    def render(self, height: int) -> RenderableType:
        """The view of this moment, on so many lines."""
        return live_view(self.progress, self.reference, height)


def display_for(
    plan: SearchPlan, study: Study, console: Console, log: IO[str], verbosity: str = NORMAL
) -> Display:
    """The display of a search that begins or goes on."""
    progress = progress_of(study, plan)
    found = reference_figures(plan.record).get("test_top1")
    scale = "" if plan.record.space.preset == "full" else " at its own scale"
    reference = f"reference{scale}: test {found} %" if found else ""
    return Display(progress, console, log, reference, verbosity)


def progress_of(study: Study, plan: TrialPlan) -> Progress:
    """That of a study which begins or goes on."""
    progress = Progress(plan.n_trials, epoch_budget=plan.epoch_budget)
    progress.take(Standing(study.get_trials(deepcopy=False), METRICS[plan.objectives[0]]))
    return progress


def open_log(path: Path) -> IO[str]:
    """The study's log file, to append to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "a", encoding="utf-8")
