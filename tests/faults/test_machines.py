"""Several machines: a study on a Ray cluster whose nodes and drivers die; two drivers that share
no disk, killed and cut off."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import driving
import psutil
import pytest
import torch
from driving import SPACE, study_in, wait_for

from search.record.trials import TRAINED_ON
from tests.machines import SHARED, Machine, Network, network
from tests.postgresql import own_server
from tests.s3 import own_s3

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# What a trial draws depends on no other; three at once, so that none waits for a place.
FLAGS = ("--space", str(SPACE), "--n-trials", "8", "--epochs", "20", "--sampler", "random")
FLAGS += ("--pruner", "none", "--precision", "float32", "--threads", "1", "--verbose")
HEAD = "6379"


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    shared = tmp_path / "shared"
    shared.mkdir()
    with network(shared) as made:
        yield made


@pytest.fixture
def database(net: Network) -> Iterator[str]:
    with own_server(net.host, net.mask) as server:
        yield server.url


def search(
    machine: Machine, log: str, *flags: str, without: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """The command, begun on ``machine``; what it prints goes to the end of its shared folder's
    ``log``. ``without`` names what its environment lacks."""
    lacks = [part for name in without for part in ("-u", name)]
    command = ["env", *lacks, sys.executable, "-m", "search.run", *FLAGS, *flags]
    line = " ".join(f"'{word}'" for word in command)
    return machine.run("sh", "-c", f"exec {line} >> {SHARED}/{log} 2>&1", folder=ROOT)


def on_one_machine(folder: Path, data: Path) -> list[dict[str, Any]]:
    where = ["--results-dir", str(folder), "--data-dir", str(data), "--concurrency", "1"]
    subprocess.run([sys.executable, "-m", "search.run", *FLAGS, *where], cwd=ROOT, check=True)
    with study_in(f"sqlite:///{folder}/studies.db") as study:
        return driving.snapshot(study)


def kill(driver: subprocess.Popen[bytes]) -> None:
    """What ``nsenter`` has begun on the machine, and not ``nsenter`` alone."""
    for process in psutil.Process(driver.pid).children():
        process.kill()
    driver.wait()


def test_nodes_and_the_driver_die_and_the_study_is_as_on_one_machine(
    net: Network, database: str, tmp_path: Path
) -> None:
    """One node is killed and another added, then the driver is killed and started elsewhere."""
    first, second, third = (net.machine() for _ in range(3))
    head = f"{first.address}:{HEAD}"
    first.ray("--head", "--port", HEAD, "--include-dashboard=false")
    for node in (second, third):
        node.ray("--address", head)
    where = ["--ray-address", head, "--storage", database]
    where += ["--results-dir", f"{SHARED}/results", "--data-dir", f"{SHARED}/data"]
    log = tmp_path / "shared" / "log"

    stranger = search(third, "refused", *where, without=["RAY_AUTH_MODE", "RAY_AUTH_TOKEN"])
    assert stranger.wait() == 2  # it has no token, or the one that its user's own Ray left
    assert "set RAY_AUTH_MODE=token" in log.with_name("refused").read_text().splitlines()[-1]

    driver = search(second, log.name, *where)
    wait_for(lambda: log.exists() and log.read_text().count(" epoch ") > 20)
    third.kill()
    net.machine().ray("--address", head)
    seen = log.read_text().count(" epoch ")
    wait_for(lambda: log.read_text().count(" epoch ") > seen + 40)
    kill(driver)
    driver = search(first, log.name, *where)
    assert driver.wait() == 0

    with study_in(database) as study:
        assert driving.snapshot(study) == on_one_machine(tmp_path / "alone", tmp_path / "data")
        nodes = {trial.user_attrs["node"].partition("-")[0] for trial in study.trials}
    assert {"machine1", "machine2", "machine4"} <= nodes


def test_nodes_that_cannot_train_get_no_trial_and_a_line_each(net: Network, tmp_path: Path) -> None:
    """One without the shared folder, one with another torch."""
    head, stranger, older = net.machine(), net.machine(tmp_path / "own"), net.machine()
    version = Path(torch.version.__file__)
    release = torch.__version__.partition("+")[0]
    doctored = version.read_text().replace(release, "2.0.0")
    (tmp_path / "shared" / "version.py").write_text(doctored)
    older.run("mount", "--bind", f"{SHARED}/version.py", str(version)).wait()
    address = f"{head.address}:{HEAD}"
    head.ray("--head", "--port", HEAD, "--include-dashboard=false")
    for node in (stranger, older):
        node.ray("--address", address)
    where = ["--ray-address", address, "--storage", f"sqlite:///{SHARED}/studies.db"]
    where += ["--results-dir", f"{SHARED}/results", "--data-dir", f"{SHARED}/data"]

    short = ["--n-trials", "1", "--epochs", "1"]
    assert search(head, "log", *where, *short).wait() == 0
    lines = (tmp_path / "shared" / "log").read_text().splitlines()
    (no_folder,) = [line for line in lines if "node machine2-" in line]
    assert "gets no trial: it does not see the results folder; share that" in no_folder
    (other_torch,) = [line for line in lines if "node machine3-" in line]
    assert f"gets no trial: it has torch 2.0.0, the driver {release}" in other_torch
    with study_in(f"sqlite:///{tmp_path}/shared/studies.db") as study:
        assert {t.user_attrs["node"].partition("-")[0] for t in study.trials} == {"machine1"}


def test_a_node_that_shares_no_disk_is_lost_and_the_study_is_as_on_one_machine(
    net: Network, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files lie in S3, data come through Ray; the lost node's trial continues from what it sent."""
    for name in ("SHARPSEARCH_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, f"/tmp/{name}")  # each machine has a /tmp of its own
    first, lost = (net.machine(tmp_path / name) for name in ("first", "lost"))
    head = f"{first.address}:{HEAD}"
    first.ray("--head", "--port", HEAD, "--include-dashboard=false")
    lost.ray("--address", head)
    with own_s3(net.host) as s3:
        where = ["--ray-address", head, "--storage", database, "--results-dir", s3.url("results")]
        driver = search(first, "log", *where)
        log = first.shared / "log"
        wait_for(lambda: log.exists() and log.read_text().count(" epoch ") > 20)
        lost.kill()
        net.machine(tmp_path / "third").ray("--address", head)
        assert driver.wait() == 0, log.read_text()
        keys = s3.keys("results/tiny-quick")
    monkeypatch.undo()
    alone = on_one_machine(tmp_path / "alone", tmp_path / "data")
    with study_in(database) as study:
        assert driving.snapshot(study) == alone
        moves = [trial.user_attrs[TRAINED_ON] for trial in study.trials]
    assert any(len(moved) > 1 and moved[1][0] > 0 for moved in moves)
    assert sum(key.endswith("/history.csv") for key in keys) == len(moves)


def test_two_drivers_that_share_no_disk_die_over_and_over_and_are_cut_off(
    net: Network, database: str, tmp_path: Path, kills: int
) -> None:
    """A fifth of ``kills`` for each: Ray takes seconds to start. Each is cut off once from database
    and files for half a minute, while the other continues."""
    draw, strikes = random.Random(4), list(range(2 * max(1, kills // 5)))
    alone = on_one_machine(tmp_path / "alone", tmp_path / "data")
    machines = [net.machine(tmp_path / name) for name in ("first", "second")]
    with own_s3(net.host) as s3:
        while strikes:
            name = f"tiny-{len(strikes)}"
            pair = [Driver(machine, name, database, s3.url(name)) for machine in machines]
            while strikes and pair[strikes[0] % 2].is_at_work():
                driver = pair[strikes.pop(0) % 2]
                time.sleep(draw.uniform(0.0, 3.0))
                driver.kill()
                driver.start()
                if len(strikes) < 2:
                    driver.machine.cut_off()
                    time.sleep(30)
                    driver.machine.connect()
            assert [driver.process.wait() for driver in pair] == [0, 0]
            with study_in(database, name) as study:
                assert driving.snapshot(study) == alone


class Driver:
    """A search with a private Ray on ``machine``, at work on the study ``name``."""

    def __init__(self, machine: Machine, name: str, database: str, results: str):
        self.machine = machine
        self._flags = ["--study-name", name, "--storage", database, "--results-dir", results]
        self._flags += ["--data-dir", "/tmp/data", "--concurrency", "1"]
        self._log = machine.shared / f"{name}.log"
        self.start()

    def start(self) -> None:
        self._seen = self._told()
        self.process = search(self.machine, self._log.name, *self._flags)

    def is_at_work(self) -> bool:
        """Once it has reported an epoch; false where it has ended instead."""
        wait_for(lambda: self._told() > self._seen or self.process.poll() is not None)
        return self.process.poll() is None

    def kill(self) -> None:
        kill(self.process)

    def _told(self) -> int:
        return self._log.read_text().count(" epoch ") if self._log.exists() else 0
