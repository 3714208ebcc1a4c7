"""Leases: who is alive, and two drivers that share a study."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import optuna
import pytest
from sqlalchemy.exc import OperationalError

from search.common.errors import UserError
from search.common.layout import StudyFolder
from search.storage.database import StudyDatabase, database_of
from search.storage.lease import Lease
from search.storage.storage import open_storage
from search.study.events import Note
from search.study.messages import Failed
from tests.postgresql import Server, own_server
from tests.search.desk import Desks

HOLDER = """
import sys
from pathlib import Path
from search.common.layout import StudyFolder
from search.storage.lease import Lease
from search.storage.storage import open_storage
storage = open_storage(sys.argv[2]) if len(sys.argv) > 2 else None
lease = Lease(StudyFolder(Path(sys.argv[1]), "study"), storage)
print(lease.driver, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path, "study")


@dataclass
class Place:
    """A study's folder, and the server that its drivers' locks are on, if not in that folder."""

    folder: StudyFolder
    storage: StudyDatabase | None

    def lease(self, study: str = "study") -> Lease:
        return Lease(StudyFolder(self.folder.results_dir, study), self.storage)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


@pytest.fixture
def database(server: Server) -> Iterator[StudyDatabase]:
    database = database_of(open_storage(server.url))
    assert database is not None
    yield database
    database.engine.dispose()


@pytest.fixture(params=["files", pytest.param("PostgreSQL", marks=pytest.mark.slow)])
def place(folder: StudyFolder, request: pytest.FixtureRequest) -> Place:
    on_server = request.param == "PostgreSQL"
    return Place(folder, request.getfixturevalue("database") if on_server else None)


# -- what all kinds of locks promise -----------------------------------------------------------


def test_a_drivers_life_is_seen_from_another_process(place: Place) -> None:
    with place.lease() as lease:
        url = [place.storage.url] if place.storage else []
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(place.folder.results_dir), *url],
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
            assert any(not lease.is_alive(driver) for _ in range(100_000))  # a server hears later
            assert not lease.is_alive(driver)


def test_a_driver_that_left_is_not_alive(place: Place) -> None:
    with place.lease() as lease:
        with place.lease() as other:
            assert lease.is_alive(other.driver)
            assert other.is_alive(lease.driver)
        assert not lease.is_alive(other.driver)
        assert lease.is_alive(lease.driver)


@pytest.mark.parametrize("driver", ["", "host-1-abcdef"])
def test_an_unknown_driver_is_not_alive(place: Place, driver: str) -> None:
    with place.lease() as lease:
        assert not lease.is_alive(driver)


def test_one_driver_claims_at_a_time(place: Place) -> None:
    """The second waits until the first has left."""
    order = []

    def claim_too() -> None:
        with place.lease() as other, other.claiming():
            order.append("second")

    with place.lease() as lease:
        second = Thread(target=claim_too)
        with lease.claiming():
            second.start()
            second.join(0.2)
            order.append("first")
        second.join()
    assert order == ["first", "second"]


def test_studies_do_not_wait_for_each_other(place: Place) -> None:
    with (
        place.lease("one") as lease,
        place.lease("two") as other,
        lease.claiming(),
        other.claiming(),
    ):
        assert not lease.is_alive(other.driver)


# -- files -------------------------------------------------------------------------------------


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
        other.locks._held[other.driver].close()  # its process died
        assert not lease.is_alive(other.driver)


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


# -- a database server -------------------------------------------------------------------------


@pytest.mark.slow
def test_locks_on_a_server_leave_no_file(database: StudyDatabase, folder: StudyFolder) -> None:
    with Lease(folder, database) as lease, lease.claiming():
        assert list(folder.path.iterdir()) == []


@pytest.mark.slow
def test_a_lock_is_taken_again_after_the_server_was_away(
    server: Server, database: StudyDatabase, folder: StudyFolder
) -> None:
    """Each driver's own, as soon as it looks; the claims', as soon as one claims."""
    place = Place(folder, database)
    with place.lease() as lease, place.lease() as other:
        server.stop("immediate")
        lease.keep()  # not reached: nothing is raised
        with pytest.raises(OperationalError), lease.claiming():
            pass
        server.start()
        assert not lease.is_alive(other.driver)
        other.keep()
        assert lease.is_alive(other.driver)
        assert other.is_alive(lease.driver)
        with lease.claiming():
            pass


@pytest.mark.parametrize("news", ["epoch", "ending"])
def test_a_full_driver_lets_go_of_a_trial_that_another_took_over(
    open_desk: Desks, news: str
) -> None:
    """As after a cut network: it is back before it asks again, and believes that it has the trial
    until the next epoch or the ending, of which nothing is recorded."""
    storage = optuna.storages.InMemoryStorage()
    first = open_desk(storage=storage)
    task = first.next_task()
    first.report(task, 40.0)
    first.lease.locks.close()  # the connection is lost
    second = open_desk(storage=storage)
    assert second.next_task().number == task.number
    first.lease.locks.hold(first.lease.driver)
    if news == "epoch":
        assert not first.report(task, 10.0, first=2)
    else:
        first.runner.finish(task.number, Failed("ValueError: no"))
    assert task.number not in first.runner.live
    assert first.trial(0).intermediate_values == {1: 40.0}
    assert second.report(task, 50.0, first=2)
    assert second.states == ["RUNNING"]
    notes = [event.text for event in first.events if isinstance(event, Note)]
    assert notes == ["trial 0 was taken over by another driver"]
    assert first.next_task().number == 1
