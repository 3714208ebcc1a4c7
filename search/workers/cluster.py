"""A Ray cluster that runs already: joined, and its nodes seen from the driver.

Nothing of Ray's is replaced here. The three packages travel with the job, and a user's own files
of models and training functions; a node needs what they import. It looks for a user's files by
content, as ``trainers.user_code`` says, so a configuration names the same path everywhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from search.common.errors import UserError, one_line
from search.common.file_store import StudyFiles, files_of
from search.common.layout import StudyFolder
from search.workers.node_data import run_on
from search.workers.node_facts import NodeFacts, facts_here
from search.workers.nodes import Answer
from search.workers.ray_internals import draining_nodes, modules_of_job
from search.workers.stop_signals import signals_held_back
from search.workers.watchdog import last_beat
from search.workers.worker import node_name
from spaces.params import Categorical
from spaces.space import ResolvedSpace
from trainers.custom.loop_config import TRAIN
from trainers.user_code import CARRIED, located

PACKAGES = ("search", "spaces", "trainers")
SECONDS_TO_ANSWER = 300.0
INSTALLED = {"site-packages", "dist-packages"}
GIVE_TOKEN = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what its head has in ~/.ray/auth_token"


@contextmanager
def cluster_ray(address: str, folder: StudyFolder, space: ResolvedSpace) -> Iterator[str]:
    """Join the cluster at ``address``. Yields a scratch folder for what Tune writes, in the study's
    ``folder``. The code that ``space`` names travels along.

    Raises ``UserError`` where there is no such cluster.
    """
    import ray

    here = Path(__file__).resolve().parents[2]
    packages = [str(here / name) for name in PACKAGES]
    try:
        with signals_held_back(), carried_code(space) as code:
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


class ClusterView:
    """The cluster that this process has joined; nodes go by Ray's ids. They read ``token``, one of
    a study's ``files``, and write beside it."""

    def __init__(self, token: Path, files: StudyFiles):
        self._token, self._files = token.absolute(), files
        self._hosts: dict[str, str] = {}
        files.write(self._token, b"sharpsearch")

    def living(self) -> Mapping[str, Mapping[str, float]]:
        """Return the resources of each node that lives."""
        import ray

        nodes = ray.nodes()
        self._hosts |= {node["NodeID"]: node["NodeManagerHostname"] for node in nodes}
        return {node["NodeID"]: node["Resources"] for node in nodes if node["Alive"]}

    def leaving(self) -> Collection[str]:
        """Return the nodes that are being drained."""
        return draining_nodes()

    def name(self, node: str) -> str:
        """Return the node's name as users see it."""
        return node_name(self._hosts[node], node)

    def ask(self, node: str) -> Answer:
        """Ask a node what it computes with."""
        import ray

        asked = run_on(node, _look_around, self._token, self._files, self.name(node))
        late = time.monotonic() + SECONDS_TO_ANSWER

        def answer() -> NodeFacts | str | None:
            if not ray.wait([asked], timeout=0)[0]:
                waited = f"it did not answer within {SECONDS_TO_ANSWER:.0f} s"
                return waited if time.monotonic() > late else None
            try:
                facts: NodeFacts = ray.get(asked)
            except Exception as error:  # without what the packages import, or gone
                return f"it cannot work: {one_line(getattr(error, 'cause', None) or error)}"
            return facts

        return answer


def _look_around(token: Path, files: StudyFiles, name: str) -> NodeFacts:
    try:
        files.read(token)
        files.write(token.with_name(f"answer-{name}"), b"")
    except OSError:
        return facts_here(name, sees_results=False)
    return facts_here(name)


def kill_on(node: str, pid: int) -> None:
    """Ends process ``pid`` of a node."""
    run_on(node, _kill, pid)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def ask_for_beat(node: str, file: Path) -> Callable[[], int | None]:
    """Begin a look at a heartbeat, and return a function for its answer."""
    import ray

    asked = run_on(node, last_beat, file)

    def answer() -> int | None:
        try:
            return ray.get(asked) if ray.wait([asked], timeout=0)[0] else None
        except ray.exceptions.RayError:  # the node is gone: its silence says so
            return None

    return answer


@contextmanager
def carried_code(space: ResolvedSpace) -> Iterator[list[Path]]:
    """Return a context manager that yields a folder with the files that ``space`` names, if it
    names any. With a training function go the modules beside it, which it may import."""
    models = {str(space.baseline.get("model", ""))}
    for parameter in space.parameters:
        if parameter.name == "model" and isinstance(parameter, Categorical):
            models.update(map(str, parameter.choices))
    with tempfile.TemporaryDirectory(prefix="sharpsearch-") as scratch:
        folder = Path(scratch, CARRIED)
        for spec in models:
            _gather(spec, folder, with_neighbours=False)
        _gather(str(space.baseline.get(TRAIN, "")), folder, with_neighbours=True)
        yield [folder] if folder.exists() else []


def _gather(spec: str, folder: Path, with_neighbours: bool) -> None:
    """Copies its file, if it names one, into a folder of ``folder`` that its content names."""
    found = located(spec)
    if found is None:
        return
    path, digest = found
    there = folder / digest
    there.mkdir(parents=True, exist_ok=True)
    if with_neighbours and not INSTALLED & {*path.parts}:
        for module in path.parent.glob("*.py"):
            shutil.copy(module, there)
        for package in path.parent.glob("*/__init__.py"):
            name = package.parent.name
            shutil.copytree(package.parent, there / name, dirs_exist_ok=True, ignore=_NOT_CODE)
    shutil.copy(path, there)


_NOT_CODE = shutil.ignore_patterns("__pycache__", ".*")
