"""A Ray cluster that runs already: joined, its nodes looked at before the first trial.

Nothing of Ray's is replaced here. The three packages travel with the job; a node needs what they
import.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search.common.errors import UserError, one_line
from search.common.layout import StudyFolder
from search.common.study_files import Files, files_of
from search.workers.ray_internals import signals_held_back

PACKAGES = ("search", "spaces", "trainers")
SECONDS_TO_ANSWER = 300.0


@dataclass(frozen=True)
class NodeFacts:
    """What a node computes with, and whether it found the driver's file in the results folder."""

    name: str
    versions: dict[str, str]
    sees_results: bool


@contextmanager
def cluster_ray(address: str, folder: StudyFolder) -> Iterator[tuple[str, list[str]]]:
    """Joined to the cluster at ``address``: a scratch folder for what Tune writes, in the study's
    ``folder``, and a line for each difference between driver and nodes.

    Raises ``UserError`` where there is no such cluster, a node does not see ``folder`` or has
    another torch.
    """
    import ray

    here = Path(__file__).resolve().parents[2]
    try:
        with signals_held_back():
            ray.init(
                address=address,
                runtime_env={"py_modules": [str(here / name) for name in PACKAGES]},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--ray-address {address}: {one_line(error)}; start one with `ray start --head`, or "
            "leave it out"
        ) from None
    folder.path.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=".ray-", dir=folder.path)
    files = files_of(folder, patience=0)
    try:
        yield scratch, differences(node_facts(Path(scratch, "token"), files), facts_here())
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def differences(nodes: Sequence[NodeFacts], driver: dict[str, str]) -> list[str]:
    """A line for each version of a node that is not the driver's. Raises ``UserError`` where the
    curves would change with it, or a node does not see the results folder."""
    lines = []
    for node in nodes:
        if not node.sees_results:
            raise UserError(
                f"node {node.name} does not see the results folder; share it with every node, "
                "under the same path, and name it with --results-dir"
            )
        for name, found in node.versions.items():
            if found == driver[name]:
                continue
            said = f"node {node.name} has {name} {found}, the driver {driver[name]}"
            if name == "torch":
                raise UserError(f"{said}: curves would differ; install the same on both")
            lines.append(said)
    return lines


def node_facts(token: Path, files: Files) -> list[NodeFacts]:
    """Each living node's, which read ``token``, one of the study's ``files``, and answer beside
    it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    token = token.absolute()
    files.write(token, b"sharpsearch")
    look = ray.remote(num_cpus=0)(_look_around)
    asked = []
    for node in ray.nodes():
        if node["Alive"]:
            place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked.append(look.options(scheduling_strategy=place).remote(token, files))
    try:
        found = ray.get(asked, timeout=SECONDS_TO_ANSWER)
    except Exception as error:  # a node without what the packages import, or none that answers
        raise UserError(f"a node of the cluster cannot work: {one_line(error)}") from None
    seen = files.sizes([token.parent])
    for file in seen:
        files.remove(file)
    return [
        NodeFacts(name, versions, token.with_name(f"answer-{name}") in seen)
        for name, versions in found
    ]


def facts_here() -> dict[str, str]:
    """The versions that matter, of this process's machine."""
    import torch

    release, _, build = torch.__version__.partition("+")
    return {
        "torch": release,
        "torch's build": build or "none",
        "Python": platform.python_version(),
        "Ray": version("ray"),
        "CUDA": str(torch.version.cuda),
    }


def node_name() -> str:
    """Of the node that this worker is on: its host's name, and what tells it from another there."""
    import ray

    return f"{socket.gethostname()}-{ray.get_runtime_context().get_node_id()[:8]}"


def _look_around(token: Path, files: Files) -> tuple[str, dict[str, str]]:
    name = node_name()
    with suppress(OSError):
        files.read(token)
        files.write(token.with_name(f"answer-{name}"), b"")
    return name, facts_here()


def there(node: str) -> Any:
    """Where Ray shall run what concerns the node called ``node``; None where it knows none."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    found = [known["NodeID"] for known in ray.nodes() if node.endswith(known["NodeID"][:8])]
    return NodeAffinitySchedulingStrategy(found[0], soft=True) if found else None


def kill_there(node: str, pid: int) -> None:
    """Ends process ``pid`` of the node called ``node``."""
    import ray

    if place := there(node):
        kill = ray.remote(num_cpus=0)(_kill).options(scheduling_strategy=place)
        kill.remote(node, pid)


def _kill(node: str, pid: int) -> None:
    if node_name() == node:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
