"""What a driver works on: a study's ledger and, once that is met, the one that follows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search.ledger.events import Note
from search.ledger.ledger import Ledger
from search.ledger.messages import Task


class Stages:
    """``ledger`` is at work now. ``then`` opens the one that follows, None where none does;
    ``prepare`` is told of each before it is asked for anything."""

    def __init__(
        self,
        first: Ledger,
        then: Callable[[], Ledger | None],
        prepare: Callable[[Ledger], None] = lambda ledger: None,
    ):
        self.ledger = first
        self._then: Callable[[], Ledger | None] | None = then
        self._prepare = prepare
        prepare(first)

    def are_met(self) -> bool:
        """Whether nothing is left to do; turns to what follows where the ledger at work is met."""
        while self.ledger.is_met():
            following = self._then() if self._then else None
            self._then = None
            if following is None:
                return True
            self._prepare(following)
            self.ledger = following
        return False

    def say(self, note: Note) -> None:
        """To whoever follows the search."""
        self.ledger.observe(note)

    def has_issued(self, task: Task) -> bool:
        """Whether ``task`` is of the ledger at work; else it is old news."""
        return Path(task.folder) == self.ledger.plan.folder.trial(task.number)
