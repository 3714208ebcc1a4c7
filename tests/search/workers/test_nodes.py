"""A cluster whose nodes come and go: who is asked, who trains, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from search.common.errors import UserError
from search.study.events import Note
from search.workers.node_facts import NodeFacts
from search.workers.nodes import Answer, Needs, Nodes, remarks, trials_on, why_unfit
from trainers.execution import Execution

VERSIONS = {"torch": "2.14.1", "torch's build": "cu130", "Python": "3.11.7", "CUDA": "13.0"}
CPU, H100 = "AuthenticAMD AVX512 avx512_bf16", "NVIDIA H100"
LIKE = NodeFacts("a-1a2b3c4d", VERSIONS, CPU, cpu_bfloat16=True, gpu=H100, new_gpu=True)
ON_CPU = Needs(Execution(), cpus=1, gpus=0.0, driver=LIKE, kind=CPU)
ON_GPU = Needs(Execution("cuda"), cpus=1, gpus=1.0, driver=LIKE, kind=H100)
BFLOAT16 = replace(ON_CPU, execution=Execution(precision="bfloat16"))
PLAIN_CPU = replace(LIKE, cpu="AuthenticAMD AVX2", cpu_bfloat16=False)
V100 = replace(LIKE, gpu="Tesla V100", new_gpu=False)
NO_GPU = replace(LIKE, gpu="", new_gpu=False)
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
    view: Any = cluster
    nodes = Nodes(view, ON_CPU, most, said.append, lambda: next(clock))
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
        "node host-a is gone; its trials resume elsewhere",
        "no node is left that may train; waiting for one",
    ]
    found.cluster.answers["b"] = LIKE
    found.nodes.look()
    assert found.nodes.places() == ("b",)


def test_the_kind_of_a_nodes_device_is_known_by_its_name() -> None:
    found = watched(a=LIKE)
    found.nodes.wait(never)
    assert (found.nodes.kind("host-a"), found.nodes.kind("host-z")) == (LIKE.cpu, "")


# -- which nodes are fit -------------------------------------------------------------------------


def anywhere(needs: Needs) -> Needs:
    """As with --device-kinds any."""
    return replace(needs, kind=None)


def test_nothing_is_said_of_a_node_like_the_driver() -> None:
    assert why_unfit(LIKE, ON_CPU) == why_unfit(LIKE, ON_GPU) == ""
    assert remarks(LIKE, LIKE) == []


def test_each_other_version_is_told_in_one_line() -> None:
    other = replace(LIKE, versions={**VERSIONS, "Python": "3.11.9", "CUDA": "12.8"})
    assert remarks(other, LIKE) == [
        "node a-1a2b3c4d has Python 3.11.9, the driver 3.11.7",
        "node a-1a2b3c4d has CUDA 12.8, the driver 13.0",
    ]
    assert why_unfit(other, ON_CPU) == ""


@pytest.mark.parametrize(
    ("node", "needs", "says"),
    [
        (replace(LIKE, sees_results=False), ON_CPU, "does not see the results folder; share"),
        (replace(LIKE, versions={**VERSIONS, "torch": "2.9.0"}), ON_CPU, "torch 2.9.0, the driver"),
        (NO_GPU, anywhere(ON_GPU), "has no GPU"),
        (
            replace(LIKE, versions={**VERSIONS, "CUDA": "None"}),
            anywhere(ON_GPU),
            "built for the CPU only",
        ),
        (
            V100,
            anywhere(replace(ON_GPU, execution=Execution("cuda", "bfloat16"))),
            "Tesla V100 does not compute bfloat16",
        ),
        (V100, anywhere(replace(ON_GPU, execution=Execution("cuda", "tf32"))), "compute tf32"),
        (PLAIN_CPU, anywhere(BFLOAT16), "CPU does not compute bfloat16"),
        (V100, ON_GPU, f"its device is Tesla V100, the study's {H100}"),
        (PLAIN_CPU, ON_CPU, f"AuthenticAMD AVX2, the study's {CPU}.*--device-kinds any"),
    ],
)
def test_a_node_that_would_compute_otherwise_gets_no_trial(
    node: NodeFacts, needs: Needs, says: str
) -> None:
    assert re.search(says, why_unfit(node, needs))


def test_mixed_devices_may_be_asked_for() -> None:
    assert why_unfit(PLAIN_CPU, anywhere(ON_CPU)) == ""
    assert why_unfit(V100, anywhere(ON_GPU)) == ""


def test_bfloat16_without_hardware_is_as_the_driver_has_it() -> None:
    """Asked for where the driver has none either, it is emulated everywhere."""
    assert why_unfit(PLAIN_CPU, replace(anywhere(BFLOAT16), driver=PLAIN_CPU)) == ""


@pytest.mark.parametrize(
    ("cpus", "gpus", "total", "fit"),
    [
        (2, 0.0, {"CPU": 7.0}, 3),
        (2, 0.0, {"CPU": 1.0}, 0),
        (1, 0.4, {"CPU": 8.0, "GPU": 2.0}, 4),
        (1, 2.0, {"CPU": 8.0, "GPU": 3.0}, 1),
        (1, 1.0, {"CPU": 8.0}, 0),
        (3, 0.5, {"CPU": 8.0, "GPU": 4.0}, 2),
    ],
)
def test_a_node_has_room_for_whole_trials(
    cpus: int, gpus: float, total: dict[str, float], fit: int
) -> None:
    assert trials_on(total, replace(ON_GPU, cpus=cpus, gpus=gpus)) == fit
