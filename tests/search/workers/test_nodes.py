"""A cluster whose nodes come and go: who is asked, who trains, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from search.common.errors import UserError
from search.study.events import Note
from search.workers.node_facts import NodeFacts
from search.workers.nodes import Answer, Nodes
from tests.search.workers.made_up_nodes import LIKE, ON_CPU

OTHER_TORCH = replace(LIKE, versions={**LIKE.versions, "torch": "2.9.0"})


@dataclass
class MadeUp:
    """A cluster of two-core nodes; ``answers`` are what they say, None for not yet."""

    answers: dict[str, NodeFacts | str | None]
    going: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def living(self) -> Mapping[str, Mapping[str, float]]:
        return {node: {"CPU": 2.0} for node in self.answers}

    def leaving(self) -> Collection[str]:
        return self.going

    def name(self, node: str) -> str:
        return f"host-{node}"

    def ask(self, node: str) -> Answer:
        self.asked.append(node)
        return lambda: self.answers.get(node)


@dataclass
class Watched:
    """Nodes, the cluster that they are of, and what they said."""

    cluster: MadeUp
    nodes: Nodes
    said: list[Note]

    @property
    def lines(self) -> list[str]:
        return [note.text for note in self.said]


def watched(most: int | None = None, **answers: NodeFacts | str | None) -> Watched:
    """Each look is long after the one before."""
    cluster, said = MadeUp(answers), list[Note]()
    clock = count(0.0, 100.0)
    nodes = Nodes(cluster, ON_CPU, most, said.append, lambda: next(clock))
    return Watched(cluster, nodes, said)


def never() -> bool:
    return False


def after(looks: int) -> Callable[[], bool]:
    left = iter([False] * looks)
    return lambda: next(left, True)


def test_all_fit_nodes_have_room_and_nothing_is_said() -> None:
    found = watched(a=LIKE, b=LIKE)
    found.nodes.wait(never)
    assert found.nodes.places() == ("a", "b")
    assert (found.nodes.at_once(), found.lines) == (4, [])


def test_concurrency_caps_what_there_is_room_for() -> None:
    found = watched(most=3, a=LIKE, b=LIKE)
    found.nodes.wait(never)
    assert found.nodes.at_once() == 3


def test_an_unfit_node_gets_no_trial_and_the_others_go_on() -> None:
    found = watched(a=LIKE, b=OTHER_TORCH, c="it cannot work: No module named 'torch'")
    found.nodes.wait(never)
    assert (found.nodes.places(), found.nodes.at_once()) == (("a",), 2)
    assert found.lines[0].startswith("node host-b gets no trial: it has torch 2.9.0")
    assert found.lines[1:] == ["node host-c gets no trial: it cannot work: No module named 'torch'"]
    found.nodes.look()
    assert (found.cluster.asked, len(found.lines)) == (["a", "b", "c"], 2)


def test_nobody_fit_is_the_users_to_mend() -> None:
    found = watched(a=OTHER_TORCH)
    with pytest.raises(UserError, match=r"no node of the cluster.*host-a.*torch 2\.9\.0"):
        found.nodes.wait(never)


def test_a_signal_ends_the_wait_for_an_answer() -> None:
    found = watched(a=None)
    found.nodes.wait(after(looks=1))
    assert found.nodes.at_once() == 0


def test_a_node_that_joins_is_looked_at_before_it_gets_trials() -> None:
    found = watched(a=LIKE)
    found.nodes.wait(never)
    found.cluster.answers["b"] = None
    found.nodes.look()
    assert (found.cluster.asked, found.nodes.places()) == (["a", "b"], ("a",))
    found.cluster.answers["b"] = LIKE
    found.nodes.look()
    assert (found.nodes.places(), found.nodes.at_once()) == (("a", "b"), 4)
    assert found.lines == ["node host-b has joined: room for 2 trial(s) more"]


def test_a_node_that_is_drained_gets_no_more() -> None:
    found = watched(a=LIKE, b=LIKE)
    found.nodes.wait(never)
    found.cluster.going = {"b"}
    found.nodes.look()
    assert (found.nodes.places(), found.nodes.at_once()) == (("a",), 2)
    assert found.lines == ["node host-b is being drained and gets no more trials"]


def test_a_node_that_dies_is_gone_and_one_that_joins_later_is_waited_for() -> None:
    found = watched(a=LIKE)
    found.nodes.wait(never)
    del found.cluster.answers["a"]
    found.nodes.look()
    assert found.nodes.at_once() == 0
    assert found.lines == [
        "node host-a is gone; what it had goes on elsewhere",
        "no node is left that may train; waiting for one",
    ]
    found.cluster.answers["b"] = LIKE
    found.nodes.look()
    assert found.nodes.places() == ("b",)


def test_the_kind_of_a_nodes_device_is_known_by_its_name() -> None:
    found = watched(a=LIKE)
    found.nodes.wait(never)
    assert (found.nodes.kind("host-a"), found.nodes.kind("host-z")) == (LIKE.cpu, "")
