"""A search on a cluster whose nodes join and die while it runs, one of them not fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from optuna.pruners import NopPruner

from search.autotune.resources import Resources
from search.record.trials import NODE, TRAINED_ON
from search.study.events import FINISHED, Epoch, Event, Note, Started
from search.study.messages import Completed, EpochDone, Message, Task
from search.workers.driver import run_search
from search.workers.node_facts import torch_capability
from tests.search.desk import Desk, Desks

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("work_travels_by_value")]

NODE_OPTIONS = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}
# A node that was killed is known to be dead after seconds, not after half a minute.
QUICK = {"health_check_period_ms": 500, "health_check_failure_threshold": 6}


def value(task: Task, epoch: int) -> float:
    """Of a trial's configuration and epoch alone."""
    return float(task.config["lr"]) + epoch


def wait_in_the_second(task: Task) -> Iterator[Message]:
    """Three epochs; no second one ends before a trial resumed elsewhere or the test says so."""
    import time
    from pathlib import Path

    trials = Path(task.folder).parent
    if task.reported:
        (trials / "go").touch()
    for epoch in range(task.reported + 1, 4):
        while epoch == 2 and not (trials / "go").exists():
            time.sleep(0.05)
        yield EpochDone({"epoch": epoch, "val_top1": value(task, epoch)})
    yield Completed({})


@dataclass
class Play:
    """Kills a node when both are at work and adds another when that is known. The trial of the
    node that is left waits, so the killed node's trial can only continue where the new node is."""

    cluster: Any
    doomed: Any
    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Epoch) and self.count(Epoch) == 2:
            self.cluster.remove_node(self.doomed, allow_graceful=False)
        if isinstance(event, Note) and "resume elsewhere" in event.text:
            self.cluster.add_node(**NODE_OPTIONS)

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    head = {**NODE_OPTIONS, "include_dashboard": False, "_system_config": QUICK}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desks = Desks(tmp_path)
    with desks.leases:
        yield desks(n_trials=4, pruner=NopPruner())


def test_trials_of_a_dead_node_go_on_elsewhere_and_one_that_joins_gets_some(
    cluster: Any, desk: Desk
) -> None:
    """No death is held against a trial: the first would end it."""
    doomed = cluster.add_node(**NODE_OPTIONS)
    play = desk.runner.observe = Play(cluster, doomed)
    resources = Resources(1, 1, max_retries=0, ray_address=cluster.address)
    assert run_search(desk.runner, resources, wait_in_the_second) == FINISHED
    trials = desk.study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    for trial in trials:
        lr = trial.params["lr"]
        assert trial.intermediate_values == {epoch: lr + epoch for epoch in (1, 2, 3)}
    assert play.count(Epoch) == 12
    moved = {e.number: e.epoch for e in play.events if isinstance(e, Started) and e.epoch}
    assert list(moved.values()) == [1]
    attributes = trials[next(iter(moved))].user_attrs
    left, took_over = attributes[TRAINED_ON]
    assert (left[0], took_over[0]) == (0, 1)
    assert left[1].endswith(doomed.node_id[:8])
    assert took_over[1] == attributes[NODE] != left[1]
    new = {node for trial in trials for _, node, _ in trial.user_attrs[TRAINED_ON]} - {left[1]}
    assert len(new) == 2


def drain(cluster: Any, node: Any) -> None:
    """As a cloud's warning of half a second does."""
    from ray._raylet import GcsClient
    from ray.core.generated.autoscaler_pb2 import DrainNodeReason

    reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
    end = int(time.time() * 1000) + 500
    accepted, why = GcsClient(address=cluster.address).drain_node(node.node_id, reason, "", end)
    assert accepted, why


def test_a_node_that_is_drained_and_dies_gets_no_more_and_its_trial_goes_on(
    cluster: Any, desk: Desk
) -> None:
    doomed = cluster.add_node(**NODE_OPTIONS)
    go = desk.folder.trial(0).parent / "go"
    epochs: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, Epoch):
            epochs.append(event.number)
            if len(epochs) == 2:
                drain(cluster, doomed)
        if isinstance(event, Note) and "is being drained" in event.text:
            cluster.remove_node(doomed, allow_graceful=False)
        if isinstance(event, Note) and "is gone or cannot be reached" in event.text:
            go.touch()

    desk.runner.observe = observe
    resources = Resources(1, 1, max_retries=0, ray_address=cluster.address)
    assert run_search(desk.runner, resources, wait_in_the_second) == FINISHED
    trials = desk.study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert len(epochs) == 12
    there = [
        n for t in trials for _, n, _ in t.user_attrs[TRAINED_ON] if n.endswith(doomed.node_id[:8])
    ]
    assert len(there) == 1


def at_once(task: Task) -> Iterator[Message]:
    yield EpochDone({"epoch": 1, "val_top1": 50.0})
    yield Completed({})


def test_a_node_whose_torch_computes_with_other_instructions_gets_no_trial(
    cluster: Any, desk: Desk
) -> None:
    other = cluster.add_node(**NODE_OPTIONS, env_vars={"ATEN_CPU_CAPABILITY": "default"})
    if torch_capability() == "DEFAULT":
        pytest.skip("this processor, or its environment, has no other instructions")
    resources = Resources(1, 1, ray_address=cluster.address)
    assert run_search(desk.runner, resources, at_once) == FINISHED
    nodes = {trial.user_attrs[NODE] for trial in desk.study.get_trials()}
    assert len(nodes) == 1
    assert not nodes.pop().endswith(other.node_id[:8])
    said = [event.text for event in desk.events if isinstance(event, Note)]
    assert len(said) == 1
    assert f"{other.node_id[:8]} gets no trial: its device is" in said[0]
    assert said[0].endswith("--device-kinds any uses both")
