"""A search on a Ray cluster, of this machine, that somebody else has started."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.autotune.resources import Resources
from search.study.events import FINISHED, INTERRUPTED, Epoch, Event, Note
from search.study.messages import Completed, EpochDone, Message, Remark, Task
from search.workers.driver import run_search
from tests.search.desk import Desk, Desks

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("work_travels_by_value")]


def say_whose_code(task: Task) -> Iterator[Message]:
    """Waits in its first trials until both nodes are at work."""
    import time
    from pathlib import Path

    travelled = [path for path in sys.path if "py_modules_files" in path]
    found = {entry.name for path in travelled for entry in Path(path).iterdir()}
    yield Remark(f"with {' '.join(sorted(found))}")
    (Path(task.folder) / "began").parent.mkdir(parents=True, exist_ok=True)
    (Path(task.folder) / "began").touch()
    while len(list(Path(task.folder).parent.glob("*/began"))) < 2:
        time.sleep(0.05)
    yield EpochDone({"epoch": 1, "val_top1": 50.0})
    yield Completed({})


def endless(task: Task) -> Iterator[Message]:
    import threading

    yield EpochDone({"epoch": 1, "val_top1": 50.0})
    threading.Event().wait()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from ray.cluster_utils import Cluster

    store = 80 * 1024 * 1024
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": store, "include_dashboard": False},
    )
    cluster.add_node(num_cpus=1, object_store_memory=store)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desks = Desks(tmp_path)
    with desks.leases:
        yield desks(n_trials=4)


def test_a_cluster_trains_with_the_drivers_code_and_says_where(address: str, desk: Desk) -> None:
    resources = Resources(2, 1, ray_address=address)
    assert run_search(desk.runner, resources, say_whose_code) == FINISHED
    trials = desk.study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert len({trial.user_attrs["node"] for trial in trials}) == 2
    said = [event.text for event in desk.events if isinstance(event, Note)]
    packages = "with search spaces trainers"
    assert said == [packages] * 4
    assert not list(desk.folder.path.glob(".ray-*"))


def test_a_signal_leaves_live_trials_to_the_next_run(address: str, desk: Desk) -> None:
    """Ray would take SIGTERM for itself."""

    def observe(event: Event) -> None:
        if isinstance(event, Epoch):
            os.kill(os.getpid(), signal.SIGTERM)

    desk.runner.observe = observe
    resources = Resources(1, 1, ray_address=address, most=1)
    assert run_search(desk.runner, resources, endless) == INTERRUPTED
    assert desk.states == ["RUNNING"]
