"""How many trials may be at work at once, and where: on this machine, or on a cluster whose nodes
come and go.

A node is looked at before it gets its first trial. One that is being drained, or is not fit, gets
none, and a line says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.autotune.resources import ANY, trials_that_fit
from search.common.errors import UserError
from search.study.events import Note
from search.workers.node_facts import NodeFacts
from trainers.execution import Execution

if TYPE_CHECKING:
    from search.workers.cluster import ClusterView

SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_BETWEEN_FIRST_LOOKS = 0.1

Answer = Callable[[], NodeFacts | str | None]  # what it has, why it cannot say; None: not yet


class Capacity:
    """What the driver asks before it hands out a trial. This one is a private Ray's, which never
    changes: ``concurrency`` trials at once."""

    def __init__(self, concurrency: int):
        self._concurrency = concurrency

    def look(self) -> None:
        """See what has changed, without waiting. Call it often."""

    def at_once(self) -> int:
        """Return how many trials may be at work at once."""
        return self._concurrency

    def places(self) -> tuple[str, ...]:
        """Return Ray's ids of the nodes that a trial may go to; none where there is no choice."""
        return ()

    def kind(self, node: str) -> str:
        """Return the kind of the device that trains there; "" where nobody asked."""
        return ""


@dataclass(frozen=True)
class Needs:
    """What a trial needs: how it is computed, ``cpus`` and ``gpus``. ``kind`` of device, None for
    any; ``driver`` is what curves and versions are compared with."""

    execution: Execution
    cpus: int
    gpus: float
    driver: NodeFacts
    kind: str | None = None


def why_unfit(node: NodeFacts, needs: Needs) -> str:
    """Return why ``node`` gets no trial, and the remedy; "" where it may."""
    torch, drivers = node.versions["torch"], needs.driver.versions["torch"]
    if not node.sees_results:
        return (
            "it does not see the results folder; share that with every node, under the same path, "
            "and name it with --results-dir, or let every node have the credentials of its URL"
        )
    if torch != drivers:
        return f"it has torch {torch}, the driver {drivers}, and curves would differ; install it"
    return _lack(node, needs) or _other_kind(node, needs)


def _lack(node: NodeFacts, needs: Needs) -> str:
    """Return what its devices cannot do, or ""."""
    device, precision = needs.execution.device, needs.execution.precision
    if device == "cuda" and not node.gpu:
        return "it has no GPU, and the study is computed on one"
    if device == "cuda" and node.versions["CUDA"] == "None":
        return "its torch is built for the CPU only, and the study is computed on a GPU"
    if device == "cuda" and precision != "float32" and not node.new_gpu:
        return f"its {node.gpu} does not compute {precision}, in which the study is computed"
    in_hardware = device == "cpu" and precision == "bfloat16" and needs.driver.cpu_bfloat16
    if in_hardware and not node.cpu_bfloat16:
        return "its CPU does not compute bfloat16, in which the study is computed"
    return ""


def _other_kind(node: NodeFacts, needs: Needs) -> str:
    kind = node.kind(needs.execution.device)
    if needs.kind in (None, kind):
        return ""
    return (
        f"its device is {kind}, the study's {needs.kind}, and curves would differ; "
        f"--device-kinds {ANY} uses both"
    )


def remarks(node: NodeFacts, driver: NodeFacts) -> list[str]:
    """Return a line for each version that is not the driver's, of those that change no curve."""
    return [
        f"node {node.name} has {name} {there}, the driver {driver.versions[name]}"
        for name, there in node.versions.items()
        if name != "torch" and there != driver.versions[name]
    ]


def trials_on(total: Mapping[str, float], needs: Needs) -> int:
    """Return how many trials a node of these resources, named as Ray does, has room for."""
    at_once = int(total.get("CPU", 0) // needs.cpus)
    if needs.gpus:
        at_once = min(at_once, trials_that_fit(needs.gpus, int(total.get("GPU", 0))))
    return at_once


class Nodes(Capacity):
    """Those of the cluster that ``view`` shows: ``most`` trials at once, None for as many as there
    is room for; ``say`` takes the lines."""

    def __init__(
        self,
        view: ClusterView,
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
        """Wait until every node has answered, or ``stop``. Raises ``UserError`` where none may
        train."""
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
        there = sum(trials_on(self._living[node], self._needs) for node in self._places)
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
        if not reason and not trials_on(resources, self._needs):
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
            return (
                f"has joined: room for {trials_on(self._living[node], self._needs)} trial(s) more"
            )
        if node in self._living:
            return "is being drained and gets no more trials"
        return "is gone; its trials resume elsewhere"
