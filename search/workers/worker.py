"""The Ray worker that stays warm from trial to trial. It imports neither Optuna nor the runner:
every worker would have to load them before its first trial."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import tune

from search.common.errors import one_line
from search.common.layout import HEARTBEAT, OUTPUT
from search.study.messages import Blocked, DeviceLost, Ending, Message, Task
from search.workers.folder_sync import on_this_node
from search.workers.node_data import NodeData
from search.workers.output_log import OutputLog
from search.workers.watchdog import Heartbeat
from trainers.data import DataError
from trainers.parallel.parent_process import die_with_parent

TASK, PLACES, MESSAGE = "task", "places", "message"  # Ray's ids of the nodes that may train it

Work = Callable[[Task], Iterator[Message]]


@dataclass(frozen=True)
class Began:
    """A worker is at a trial now: its process number, the trial's folder there and, on a cluster,
    its node's name and Ray's id of it."""

    pid: int
    folder: str
    node: str = ""
    node_id: str = ""


def node_name(host: str, node_id: str) -> str:
    """Return a node as users see it: its host's name, and what tells it from another there."""
    return f"{host}-{node_id[:8]}"


def placement(cpus: int, gpus: float, config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """Return what a trial takes, and on which nodes: any where its ``config`` names none."""
    takes = [{"CPU": float(cpus), "GPU": gpus}]
    places = config[PLACES]
    if not places:
        return tune.PlacementGroupFactory(takes)
    there = {"ray.io/node-id": f"in({','.join(places)})"}
    return tune.PlacementGroupFactory(takes, bundle_label_selector=[there])


def make_worker(work: Work, data: NodeData | None = None) -> type[tune.Trainable]:
    """Return a Ray worker that stays warm from trial to trial and steps through ``work``'s
    messages; ``data`` are those of a cluster's node, None on the driver's own machine."""

    class Worker(tune.Trainable):
        _messages: Iterator[Message | Began]

        def setup(self, config: dict[str, Any]) -> None:
            die_with_parent()
            self._messages = _announced(work, config[TASK], data)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._messages.close()  # type: ignore[attr-defined]  # ends a pruned trial's monitor
            self.setup(new_config)
            return True

        def step(self) -> dict[str, Any]:
            return {MESSAGE: next(self._messages)}

    return Worker


def _announced(work: Work, task: Task, data: NodeData | None) -> Iterator[Message | Began]:
    task = on_this_node(task)
    node = ray.get_runtime_context().get_node_id() if data else ""
    name = node_name(socket.gethostname(), node) if data else ""
    yield Began(os.getpid(), task.folder, name, node)
    with _own_directory(), OutputLog(Path(task.folder) / OUTPUT) as output:
        for message in _with_data(work, task, data, name) if data else work(task):
            if isinstance(message, Ending):
                output.stop()  # what this process prints from now on is no trial's
            yield message
            if isinstance(message, DeviceLost):
                os._exit(1)  # asked for the next message, the driver has heard why


@contextmanager
def _own_directory() -> Iterator[None]:
    """Return a context manager within which a trial may change the working directory; the next one
    has that of the driver."""
    before = os.getcwd()
    try:
        yield
    finally:
        os.chdir(before)


def _with_data(work: Work, task: Task, data: NodeData, node: str) -> Iterator[Message]:
    """Run ``work`` on a task whose data are on this node."""
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        found = data.folder(task.data_folder, task.fingerprint, Heartbeat(folder / HEARTBEAT))
    except (DataError, OSError) as error:
        yield Blocked(f"on node {node}: {one_line(error)}")
    else:
        yield from work(replace(task, data_folder=str(found)))
