"""A search on nodes that share no disk: files in S3, records in PostgreSQL, and the same study as
on one machine with a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from tests.postgresql import Server, own_server
from tests.s3 import S3Server, own_s3

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
SPACE = REPOSITORY / "tests" / "faults" / "tiny_space.py"
FLAGS = (
    *("--space", str(SPACE), "--sampler", "random", "--pruner", "none", "--keep-weights", "all"),
    *("--n-trials", "3", "--epochs", "5", "--precision", "float32", "--threads", "1"),
    *("--set", "batch_size=16", "--set", "optimizer=sgd"),
)
CLOCKS = ("seconds", "rss", "cpu", "memory", "node", "driver", "trained_on")
SECONDS = 900.0


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with own_s3() as server:
        yield server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with own_server() as server:
        yield server


class Cluster:
    """A head with the driver beside it, and nodes that do not see the driver's folder."""

    def __init__(self, folder: Path):
        from ray.cluster_utils import Cluster as RayCluster

        self.driver = folder / "driver"
        self.driver.mkdir()
        self._folder = folder
        self._nodes: list[subprocess.Popen[bytes]] = []
        options = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
        self._head = RayCluster(initialize_head=True, head_node_args=options)
        self.address = self._head.address
        self.head = self._head.head_node.node_id[:8]  # how its name ends

    def add_node(self) -> subprocess.Popen[bytes]:
        """In a mount namespace in which the driver's folder is empty, with a cache of its own."""
        ray = str(Path(sys.executable).with_name("ray"))
        join = [ray, "start", "--address", self.address, "--num-cpus", "1", "--block"]
        join += ["--object-store-memory", "80000000", "--disable-usage-stats"]
        hidden = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
        own = {"SHARPSEARCH_DATA": str(self._folder / f"node{len(self._nodes)}")}
        node = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", hidden, str(self.driver), *join],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._nodes.append(node)
        _wait_until_started(node)
        return node

    def stop(self) -> None:
        for node in self._nodes:
            kill(node)
        self._head.shutdown()


def _wait_until_started(node: subprocess.Popen[bytes]) -> None:
    assert node.stdout is not None
    said = b""
    while b"Ray runtime started" not in said:
        line = node.stdout.readline()
        said += line
        assert line, said.decode()  # it has ended


def kill(node: subprocess.Popen[bytes]) -> None:
    """It and all that it started, at once."""
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()
    assert node.stdout is not None
    node.stdout.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"]).returncode:
        pytest.skip("nodes with disks of their own need root, and mount namespaces")
    made = Cluster(tmp_path)
    yield made
    made.stop()


def search(folder: Path, *flags: str) -> subprocess.Popen[str]:
    """The command, with ``folder`` for data and cache."""
    environment = os.environ | {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "SHARPSEARCH_DATA": str(folder / "data"),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-m", "search.run", *FLAGS, *flags]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(command: subprocess.Popen[str]) -> str:
    said, _ = command.communicate(timeout=SECONDS)
    assert command.returncode == 0, said
    return said


@contextmanager
def records(url: str) -> Iterator[optuna.storages.RDBStorage]:
    storage = optuna.storages.RDBStorage(url)
    yield storage
    storage.remove_session()
    storage.engine.dispose()


def trials(storage: optuna.storages.RDBStorage) -> list[FrozenTrial]:
    return optuna.load_study(study_name="tiny-quick", storage=storage).get_trials()


def facts(trial: FrozenTrial) -> Any:
    """What does not hang on speed or place."""
    figures = {
        name: value
        for name, value in trial.user_attrs.items()
        if not any(clock in name for clock in CLOCKS)
    }
    return trial.state, trial.params, trial.value, trial.intermediate_values, figures


def trial_at_work(storage: optuna.storages.RDBStorage, not_on: str) -> FrozenTrial | None:
    """One that has told an epoch and has some to go, on another node."""
    if "tiny-quick" not in optuna.get_all_study_names(storage):
        return None
    for trial in trials(storage):
        node, epochs = trial.user_attrs.get("node", not_on), len(trial.intermediate_values)
        if not node.endswith(not_on) and 1 <= epochs < 4:
            return trial
    return None


def wait_for(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + SECONDS
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_the_same_study_with_a_node_lost_in_its_midst(
    s3: S3Server, postgresql: Server, cluster: Cluster, tmp_path: Path
) -> None:
    """Its trial goes on elsewhere from what it had sent; data came through Ray."""
    alone = tmp_path / "alone"
    alone.mkdir()
    finished(search(alone, "--results-dir", "results"))
    with records(f"sqlite:///{alone}/results/studies.db") as storage:
        wanted = [facts(trial) for trial in trials(storage)]

    node = cluster.add_node()
    there = ("--storage", postgresql.url, "--results-dir", s3.url("results"))
    at_once = ("--ray-address", cluster.address, "--concurrency", "2")
    command = search(cluster.driver, *there, *at_once)

    with records(postgresql.url) as storage:
        lost = wait_for(lambda: trial_at_work(storage, not_on=cluster.head))
    history = s3.read(f"results/tiny-quick/trials/{lost.number:05d}/history.csv")
    kill(node)
    cluster.add_node()
    finished(command)

    with records(postgresql.url) as storage:
        assert [facts(trial) for trial in trials(storage)] == wanted
    rows = s3.read(f"results/tiny-quick/trials/{lost.number:05d}/history.csv")
    told = len(lost.intermediate_values)
    assert rows.splitlines()[1 : 1 + told] == history.splitlines()[1 : 1 + told]  # seconds too
    kept = {key for key in s3.keys("results/tiny-quick") if key.startswith("trials/")}
    names = ("best.pt", "history.csv", "test.json")
    assert kept == {f"trials/{n:05d}/{name}" for n in range(3) for name in names}
    assert list((tmp_path / "node0" / "cache").glob("content-*/meta.json"))
