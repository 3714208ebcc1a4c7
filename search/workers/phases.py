"""What a driver works on: a study's runner and, once that is met, the one that follows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search.study.events import Note
from search.study.messages import Task
from search.study.trial_runner import TrialRunner


class Stages:
    """``runner`` is at work now. ``then`` opens the one that follows, None where none does;
    ``prepare`` is told of each before it is asked for anything."""

    def __init__(
        self,
        first: TrialRunner,
        then: Callable[[], TrialRunner | None],
        prepare: Callable[[TrialRunner], None] = lambda runner: None,
    ):
        self.runner = first
        self._then: Callable[[], TrialRunner | None] | None = then
        self._prepare = prepare
        prepare(first)

    def are_met(self) -> bool:
        """Whether nothing is left to do; turns to what follows where the runner at work is met."""
        while self.runner.is_met():
            following = self._then() if self._then else None
            self._then = None
            if following is None:
                return True
            self._prepare(following)
            self.runner = following
        return False

    def say(self, note: Note) -> None:
        """To whoever follows the search."""
        self.runner.observe(note)

    def has_issued(self, task: Task) -> bool:
        """Whether ``task`` is of the runner at work; else it is old news."""
        return Path(task.folder) == self.runner.plan.folder.trial(task.number)
