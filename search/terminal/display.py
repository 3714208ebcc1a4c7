"""The terminal while a search runs: a live view, or one line per event in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from optuna.study import Study
from rich.console import Console, RenderableType
from rich.live import Live

from search.record.trials import reference_values
from search.settings.plan import SearchPlan, TrialPlan
from search.study.events import Ended, Epoch, Event, Note, Standing, Started
from search.terminal.event_lines import line
from search.terminal.live_view import live_view
from search.terminal.notebook import NotebookView, in_notebook
from search.terminal.plain_line import say
from search.terminal.progress import Progress
from trainers.metrics import METRICS

QUIET, NORMAL, VERBOSE = "quiet", "normal", "verbose"


class Display:
    """Shows events: call it with each. ``facts`` are the sampler, the pruner and the published
    figure in words; ``on_best`` is called when a trial has become the best.

    Quiet shows warnings alone, verbose epochs too, and lines above the live view. The log gets
    every event, whatever is shown.
    """

    def __init__(
        self,
        progress: Progress,
        console: Console,
        log: IO[str],
        facts: str,
        verbosity: str = NORMAL,
        on_best: Callable[[], None] = lambda: None,
    ):
        self.progress = progress
        self.console = console
        self.log = log
        self.facts = facts
        self.verbosity = verbosity
        self._on_best = on_best
        self._live: Live | NotebookView | None = None

    def __call__(self, event: Event) -> None:
        self.progress.take(event)
        if isinstance(self._live, NotebookView):
            self._live.update()
        if isinstance(event, Standing) or (isinstance(event, Started) and event.epoch):
            return  # that a trial was resumed or promoted has been said
        text = line(event, detailed=self.verbosity == VERBOSE)
        self.log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        self.log.flush()
        if self._is_shown(event):
            say(self.console, text)
        if isinstance(event, Ended) and event is self.progress.best:
            self._on_best()

    def _is_shown(self, event: Event) -> bool:
        """Return whether an event gets a line: what the live view has needs none."""
        if isinstance(event, Note) and event.warning:
            return True
        if self.verbosity == QUIET:
            return False
        if isinstance(event, Epoch):
            return self.verbosity == VERBOSE
        return isinstance(event, Note) or self._live is None or self.verbosity == VERBOSE

    def turn_to(self, study: Study, plan: TrialPlan) -> None:
        """Show another study from now on."""
        self.progress = progress_of(study, plan)
        self._on_best = lambda: None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show, within, the live view, if there is a terminal or a notebook and somebody looks."""
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
        """Return the view of this moment, on so many lines."""
        return live_view(self.progress, self.facts, height)


def display_for(
    plan: SearchPlan,
    study: Study,
    console: Console,
    log: IO[str],
    verbosity: str = NORMAL,
    on_best: Callable[[], None] = lambda: None,
) -> Display:
    """Return the display of a search that begins or is resumed."""
    record = plan.record
    facts = [f"{record.strategy.sampler} sampler, {record.strategy.pruner} pruner"]
    published = reference_values(record.references).get("test_top1")
    if published is not None:
        scale = "" if record.space.preset == "full" else " at its own scale"
        facts.append(f"published{scale}: test {METRICS['test_top1'].quantity(published)}")
    progress = progress_of(study, plan)
    return Display(progress, console, log, " · ".join(facts), verbosity, on_best)


def progress_of(study: Study, plan: TrialPlan) -> Progress:
    """Return the progress of a study that begins or is resumed."""
    progress = Progress(plan.n_trials, epoch_budget=plan.epoch_budget)
    progress.take(Standing(study.get_trials(deepcopy=False), METRICS[plan.objectives[0]]))
    return progress


def open_log(path: Path) -> IO[str]:
    """Open the study's log file, to append to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "a", encoding="utf-8")
