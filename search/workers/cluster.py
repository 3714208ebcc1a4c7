"""A Ray cluster that runs already: joined, and its nodes seen from the driver.

Nothing of Ray's is replaced here. The three packages travel with the job, and a user's own files
of models and training functions; a node needs what they import.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.common.errors import UserError, one_line
from search.common.layout import StudyFolder
from search.common.study_files import Files, files_of
from search.workers.code_upload import carried
from search.workers.node_facts import NodeFacts, facts_here, name_of, node_name
from search.workers.nodes import Answer
from search.workers.ray_internals import draining_nodes, modules_of_job, signals_held_back
from spaces.space import ResolvedSpace

PACKAGES = ("search", "spaces", "trainers")
SECONDS_TO_ANSWER = 300.0
GIVE_TOKEN = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what its head has in ~/.ray/auth_token"


@contextmanager
def cluster_ray(address: str, folder: StudyFolder, space: ResolvedSpace) -> Iterator[str]:
    """Joined to the cluster at ``address``: a scratch folder for what Tune writes, in the study's
    ``folder``. The code that ``space`` names travels along.

    Raises ``UserError`` where there is no such cluster.
    """
    import ray

    here = Path(__file__).resolve().parents[2]
    packages = [str(here / name) for name in PACKAGES]
    try:
        with signals_held_back(), carried(space) as code:
            ray.init(
                address=address,
                runtime_env={"py_modules": [*modules_of_job(), *packages, *map(str, code)]},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except ray.exceptions.AuthenticationError:
        raise UserError(
            f"--ray-address {address}: the cluster lets nobody in without its token; {GIVE_TOKEN}"
        ) from None
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"--ray-address {address}: {one_line(error)}; start one with `ray start --head`, leave "
            f"it out, or, where one runs that asks for a token, {GIVE_TOKEN}"
        ) from None
    folder.path.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=".ray-", dir=folder.path)
    files = files_of(folder)
    try:
        yield scratch
    finally:
        ray.shutdown()
        with suppress(OSError):
            for file in files.sizes([Path(scratch)]):
                files.remove(file)
        shutil.rmtree(scratch, ignore_errors=True)


class RayView:
    """The cluster that this process has joined. Nodes read ``token``, one of a study's ``files``,
    and answer beside it."""

    def __init__(self, token: Path, files: Files):
        self._token, self._files = token.absolute(), files
        self._hosts: dict[str, str] = {}
        files.write(self._token, b"sharpsearch")

    def living(self) -> Mapping[str, Mapping[str, float]]:
        import ray

        nodes = ray.nodes()
        self._hosts |= {node["NodeID"]: node["NodeManagerHostname"] for node in nodes}
        return {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}

    def leaving(self) -> Collection[str]:
        return draining_nodes()

    def name(self, node: str) -> str:
        return name_of(self._hosts[node], node)

    def ask(self, node: str) -> Answer:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        there = NodeAffinitySchedulingStrategy(node, soft=False)
        look = ray.remote(num_cpus=0)(_look_around).options(scheduling_strategy=there)
        asked = look.remote(self._token, self._files, self.name(node))
        late = time.monotonic() + SECONDS_TO_ANSWER

        def answer() -> NodeFacts | str | None:
            if not ray.wait([asked], timeout=0)[0]:
                waited = f"it did not answer within {SECONDS_TO_ANSWER:.0f} s"
                return waited if time.monotonic() > late else None
            try:
                facts = ray.get(asked)
                seen = _answer(self._token, facts.name) in self._files.sizes([self._token.parent])
            except Exception as error:  # without what the packages import, or gone
                return f"it cannot work: {one_line(getattr(error, 'cause', None) or error)}"
            return replace(facts, sees_results=seen)

        return answer


def _look_around(token: Path, files: Files, name: str) -> NodeFacts:
    with suppress(OSError):
        files.read(token)
        files.write(_answer(token, name), b"")
    return facts_here(name)


def _answer(token: Path, name: str) -> Path:
    return token.with_name(f"answer-{name}")


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
