"""A cluster's nodes as they come and go: which may train, and how many trials they have room for.

A node is looked at before it gets its first trial. One that is being drained, or is not fit, gets
none, and a line says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from search.common.errors import UserError
from search.study.events import Note
from search.workers.node_facts import NodeFacts
from search.workers.node_requirements import Needs, remarks, room, why_unfit

SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_BETWEEN_FIRST_LOOKS = 0.1

Answer = Callable[[], NodeFacts | str | None]  # what it has, why it cannot say; None: not yet


class View(Protocol):
    """A cluster, seen from the driver. Nodes go by Ray's ids."""

    def living(self) -> Mapping[str, Mapping[str, float]]:
        """The resources of each node that lives."""

    def leaving(self) -> Collection[str]:
        """Those that are being drained."""

    def name(self, node: str) -> str:
        """As users see it: the host's, and what tells it from another there."""

    def ask(self, node: str) -> Answer:
        """Has it say what it computes with."""


class Nodes:
    """``most`` trials at once, None for as many as there is room for; ``say`` takes the lines."""

    def __init__(
        self,
        view: View,
        needs: Needs,
        most: int | None,
        say: Callable[[Note], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._view, self._needs, self._most = view, needs, most
        self._say, self._clock = say, clock
        self._next_look = 0.0
        self._living: Mapping[str, Mapping[str, float]] = {}
        self._asked: dict[str, Answer] = {}
        self._fit: dict[str, NodeFacts] = {}
        self._unfit: dict[str, str] = {}
        self._places: tuple[str, ...] = ()
        self._kinds: dict[str, str] = {}  # by name, also of those that have left
        self._began = False

    def wait(self, stop: Callable[[], bool]) -> None:
        """Until every node has answered, or ``stop``. Raises ``UserError`` where none may train."""
        self._look()
        while self._asked and not stop():
            time.sleep(SECONDS_BETWEEN_FIRST_LOOKS)
            self._look()
        if not (self._places or stop()):
            reasons = "; ".join(dict.fromkeys(self._unfit.values())) or "all are being drained"
            raise UserError(f"no node of the cluster can train this study: {reasons}")
        self._began = True

    def look(self) -> None:
        if self._clock() >= self._next_look:
            self._look()

    def at_once(self) -> int:
        there = sum(room(self._living[node], self._needs) for node in self._places)
        return there if self._most is None else min(there, self._most)

    def places(self) -> tuple[str, ...]:
        return self._places

    def kind(self, node: str) -> str:
        return self._kinds.get(node, "")

    def _look(self) -> None:
        self._living = self._view.living()
        for node in self._living:
            if not (node in self._asked or node in self._fit or node in self._unfit):
                self._asked[node] = self._view.ask(node)
        for node, answer in list(self._asked.items()):
            found = answer()
            if found is not None or node not in self._living:
                del self._asked[node]
            if found is not None and node in self._living:
                self._judge(node, found)
        self._choose_places()
        self._next_look = self._clock() + SECONDS_BETWEEN_LOOKS

    def _judge(self, node: str, found: NodeFacts | str) -> None:
        name = self._view.name(node)
        reason = found if isinstance(found, str) else why_unfit(found, self._needs)
        resources = self._living.get(node, {})
        if not reason and not room(resources, self._needs):
            there = f"{resources.get('CPU', 0):g} CPU(s) and {resources.get('GPU', 0):g} GPU(s)"
            needs = f"{self._needs.cpus} and {self._needs.gpus:g}"
            reason = f"it gives Ray {there}, a trial takes {needs}"
        if reason:
            self._unfit[node] = f"node {name} gets no trial: {reason}"
            self._say(Note(self._unfit[node], warning=True))
        elif isinstance(found, NodeFacts):
            self._fit[node] = found
            self._kinds[name] = found.kind(self._needs.execution.device)
            for line in remarks(found, self._needs.driver):
                self._say(Note(line, warning=True))

    def _choose_places(self) -> None:
        """Says what has changed since the search began."""
        leaving = self._view.leaving()
        places = tuple(n for n in sorted(self._fit) if n in self._living and n not in leaving)
        for node in sorted({*self._places} ^ {*places}) if self._began else ():
            self._say(Note(f"node {self._view.name(node)} {self._change(node, places)}"))
        if self._began and self._places and not places:
            self._say(Note("no node is left that may train; waiting for one", warning=True))
        self._places = places

    def _change(self, node: str, places: Collection[str]) -> str:
        if node in places:
            return f"has joined: room for {room(self._living[node], self._needs)} trial(s) more"
        if node in self._living:
            return "is being drained and gets no more trials"
        return "is gone; what it had goes on elsewhere"
