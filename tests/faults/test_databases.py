"""The database locked for half a minute; a real PostgreSQL started again in mid-search."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import driving
import optuna
import pytest
from sqlalchemy.pool import NullPool

LOCKED_SECONDS = 30


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
def test_sqlite_locked_for_half_a_minute(
    start: Any, snapshot: Any, undisturbed: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    driver = start(folder, "slow")
    wait_for(lambda: (folder / "tiny-quick" / "trials" / "00001").exists())
    with closing(sqlite3.connect(folder / "studies.db", timeout=60)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCKED_SECONDS)
        other.rollback()
    driver.join()
    assert driver.exitcode == 0
    assert snapshot(folder) == undisturbed("invented")
    log = folder.with_name("results.log").read_text()
    assert log.count("warning: the study database cannot be reached") == 1
    assert "database is locked" in log
    assert "the study database is back" in log


class Server:
    """A PostgreSQL of the test's own, on the loopback, run by an ordinary user."""

    def __init__(self, programs: Path, folder: Path, user: str | None):
        self._programs, self._folder, self._user = programs, folder, user
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://tester@127.0.0.1:{self._port}/postgres"
        self._run("initdb", "-U", "tester", "-A", "trust", "-D", str(folder / "data"))

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self._folder,
        )

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        where = ["-D", str(self._folder / "data"), "-l", str(self._folder / "log")]
        self._run("pg_ctl", *where, "-w", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", how, "stop")


def find_programs() -> Path | None:
    """Debian keeps them out of the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be run by root
    if user:
        shutil.chown(folder, user)
    server = Server(programs, folder, user)
    server.start()
    yield server
    server.stop("immediate")
    shutil.rmtree(folder)


def read(server: Server) -> optuna.Study:
    storage = optuna.storages.RDBStorage(server.url, engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name="tiny-quick", storage=storage)


def ended(server: Server) -> int:
    try:
        return sum(trial.state.is_finished() for trial in read(server).trials)
    except KeyError:  # the study is not there yet
        return 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_postgresql_started_again_in_mid_search(
    start: Any, undisturbed: Any, server: Server, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "results"
    driver = start(folder, "slow", "", "--storage", server.url)
    for trials in (1, 5):
        wait_for(lambda: ended(server) >= trials)  # noqa: B023
        server.stop(how)
        time.sleep(3)
        server.start()
    driver.join()
    assert driver.exitcode == 0
    assert driving.snapshot(read(server)) == undisturbed("invented")
    assert folder.with_name("results.log").read_text().count("the study database is back") == 2


@pytest.mark.slow
def test_two_drivers_start_at_once_on_postgresql(
    start: Any, undisturbed: Any, server: Server, tmp_path: Path
) -> None:
    flags = ("--sampler", "random", "--pruner", "none")
    folder = tmp_path / "results"
    drivers = [start(folder, "slow", "", "--storage", server.url, *flags) for _ in range(2)]
    for driver in drivers:
        driver.join()
        assert driver.exitcode == 0
    assert driving.snapshot(read(server)) == undisturbed("invented", *flags)


@pytest.mark.slow
def test_a_killed_driver_goes_on_on_postgresql(
    run: Any, undisturbed: Any, server: Server, tmp_path: Path
) -> None:
    for point in ("trial created:2", "parameter drawn:8", "epoch reported:11", "trial told:2"):
        assert run(tmp_path / "results", "invented", point, "--storage", server.url)
        (tmp_path / "results" / "killed").unlink()
    assert not run(tmp_path / "results", "invented", "", "--storage", server.url)
    assert driving.snapshot(read(server)) == undisturbed("invented")
