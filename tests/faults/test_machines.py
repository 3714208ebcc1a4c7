"""Several machines: a study on a Ray cluster whose nodes and drivers die; two drivers that share
no disk, killed and cut off."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import driving
import optuna
import psutil
import pytest
from driving import SPACE

from tests.machines import SHARED, Machine, Network, network
from tests.postgresql import own_server
from tests.s3 import own_s3

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# What a trial draws depends on no other; three at once, so that none waits for a place.
FLAGS = ("--space", str(SPACE), "--n-trials", "8", "--epochs", "20", "--sampler", "random")
FLAGS += ("--pruner", "none", "--precision", "float32", "--threads", "1")
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


def on_one_machine(folder: Path, data: Path, *flags: str) -> list[dict[str, Any]]:
    where = ["--results-dir", str(folder), "--data-dir", str(data), "--concurrency", "1", *flags]
    subprocess.run([sys.executable, "-m", "search.run", *FLAGS, *where], cwd=ROOT, check=True)
    return driving.snapshot(study_in(f"sqlite:///{folder}/studies.db"))


def study_in(url: str) -> optuna.Study:
    return optuna.load_study(study_name="tiny-quick", storage=url)


def wait_for(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
    return found


def kill(driver: subprocess.Popen[bytes]) -> None:
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
    assert stranger.wait() == 2
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

    study = study_in(database)
    assert driving.snapshot(study) == on_one_machine(tmp_path / "alone", tmp_path / "data")
    nodes = {trial.user_attrs["node"].partition("-")[0] for trial in study.trials}
    assert {"machine1", "machine2", "machine4"} <= nodes


def test_two_drivers_that_share_no_disk_die_over_and_over_and_are_cut_off(
    net: Network, database: str, tmp_path: Path, kills: int
) -> None:
    """A fifth of ``kills`` for each: Ray takes seconds to start. Once the first is cut off from
    database and files for half a minute, while the other goes on."""
    draw, folders = random.Random(4), [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    machines = [net.machine(folder) for folder in folders]
    with own_s3(net.host) as s3:
        where = ["--storage", database, "--results-dir", s3.url("results")]
        where += ["--data-dir", "/tmp/data", "--concurrency", "1", "--n-trials", str(4 * kills)]
        drivers = [search(machine, "log", *where) for machine in machines]

        def told(which: int) -> int:
            log = folders[which] / "log"
            return log.read_text().count(" epoch ") if log.exists() else 0

        for strike in range(2 * max(1, kills // 5)):
            which, before = strike % 2, told(strike % 2)
            wait_for(lambda: told(which) > before)  # noqa: B023
            time.sleep(draw.uniform(0.0, 3.0))
            kill(drivers[which])
            drivers[which] = search(machines[which], "log", *where)
            if strike == 1:
                wait_for(lambda: told(0) > before)  # noqa: B023
                machines[0].cut_off()
                time.sleep(30)
                machines[0].connect()
        assert [driver.wait() for driver in drivers] == [0, 0]
        found = driving.snapshot(study_in(database))
    alone = on_one_machine(tmp_path / "alone", tmp_path / "data", "--n-trials", str(4 * kills))
    assert found == alone
