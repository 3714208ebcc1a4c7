"""Leases: who is alive, and two drivers that share a study."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import optuna
import pytest

from search.common.errors import UserError
from search.common.layout import StudyFolder
from search.storage.lease import Lease

HOLDER = """
import sys
from pathlib import Path
from typing import IO
from search.common.layout import StudyFolder
from search.storage.lease import Lease
lease = Lease(StudyFolder(Path(sys.argv[1]), "study"))
print(lease.driver, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path, "study")


def test_a_drivers_life_is_seen_from_another_process(folder: StudyFolder) -> None:
    with Lease(folder) as lease:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder.results_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with holder:
            assert holder.stdout
            driver = holder.stdout.readline().strip()
            assert lease.is_alive(driver)
            assert lease.is_alive(driver)  # asking does not end it
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
            assert not lease.is_alive(driver)
            assert not lease.is_alive(driver)


def test_a_driver_that_left_is_not_alive(folder: StudyFolder) -> None:
    with Lease(folder) as lease:
        with Lease(folder) as other:
            assert lease.is_alive(other.driver)
            assert other.is_alive(lease.driver)
        assert not lease.is_alive(other.driver)
        assert lease.is_alive(lease.driver)


def test_locks_hold_where_an_exclusive_one_needs_writing(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFSv4."""
    flock = fcntl.flock

    def strict(file: IO[str], operation: int) -> None:
        if operation & fcntl.LOCK_EX and not file.writable():
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", strict)
    with Lease(folder) as lease, lease.claiming():
        other = Lease(folder)
        assert lease.is_alive(other.driver)
        other._file.close()  # its process died
        assert not lease.is_alive(other.driver)


@pytest.mark.parametrize("driver", ["", "host-1-abcdef"])
def test_an_unknown_driver_is_not_alive(folder: StudyFolder, driver: str) -> None:
    with Lease(folder) as lease:
        assert not lease.is_alive(driver)


def test_nothing_but_the_claims_file_stays(folder: StudyFolder) -> None:
    with Lease(folder) as lease, lease.claiming():
        assert len(list(folder.drivers.iterdir())) == 2
    assert list(folder.drivers.iterdir()) == [folder.claims]


def test_claims_survive_the_loss_of_the_folder(folder: StudyFolder) -> None:
    with Lease(folder) as lease:
        shutil.rmtree(folder.path)
        with lease.claiming():
            assert folder.claims.is_file()
    assert list(folder.drivers.iterdir()) == [folder.claims]


def test_a_folder_that_cannot_be_made_is_a_users_error(tmp_path: Path) -> None:
    tmp_path.joinpath("file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to the results folder.*--results-dir"):
        Lease(StudyFolder(tmp_path / "file", "study"))


# A driver without Ray: trains a trial for each line that it is sent.
DRIVER = """
import sys
from pathlib import Path
from typing import IO
import optuna
from search.strategy.distributions import distributions
from search.common.layout import StudyFolder
from search.storage.lease import Lease
from search.ledger.ledger import Ledger
from search.planning.plan import TrialPlan
from trainers.execution import Execution
from search.ledger.messages import Completed, EpochDone
from search.strategy.samplers import make_sampler
from spaces.named.wrn_sam import SPACE

optuna.logging.set_verbosity(optuna.logging.ERROR)
results, total = Path(sys.argv[1]), int(sys.argv[2])
space = SPACE.at("quick")
chosen = distributions(space.parameters)
folder = StudyFolder(results, "study")
with Lease(folder) as lease:
    study = optuna.load_study(
        study_name="study",
        storage=f"sqlite:///{results}/studies.db",
        sampler=make_sampler("random", space, 0),
        pruner=optuna.pruners.NopPruner(),
    )
    plan = TrialPlan(space, total, Execution(), results, folder, ("val_top1",))
    ledger = Ledger(study, plan, lease, lambda event: None)
    print("ready", flush=True)
    while sys.stdin.readline() and (task := ledger.next_task()):
        for epoch in (1, 2):
            ledger.report(task.number, EpochDone({"epoch": epoch, "val_top1": 50.0}))
        ledger.end(task.number, Completed({}))
        print(task.number, flush=True)
"""


def send(driver: subprocess.Popen[str], lines: int) -> None:
    assert driver.stdin
    driver.stdin.write("go\n" * lines)
    driver.stdin.flush()


def next_line(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout
    return driver.stdout.readline().strip()


@pytest.mark.slow
def test_two_drivers_share_a_study_and_meet_its_total(folder: StudyFolder) -> None:
    results = folder.results_dir
    study = optuna.create_study(
        study_name="study", storage=f"sqlite:///{results}/studies.db", direction="maximize"
    )
    drivers = [
        subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(results), "8"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    assert [next_line(driver) for driver in drivers] == ["ready"] * 2
    for driver in drivers:
        send(driver, 1)
    trained = [[int(next_line(driver))] for driver in drivers]  # each has one, however slow it is
    for driver in drivers:
        send(driver, 8)
    for driver, numbers in zip(drivers, trained, strict=True):
        numbers += [int(line) for line in driver.communicate()[0].split()]
    assert [driver.returncode for driver in drivers] == [0, 0]
    assert sorted(trained[0] + trained[1]) == list(range(8))
    trials = study.get_trials()
    assert [trial.number for trial in trials] == list(range(8))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert all(trial.intermediate_values == {1: 50.0, 2: 50.0} for trial in trials)
