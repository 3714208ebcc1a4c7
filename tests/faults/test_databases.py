"""The database locked for half a minute; a real PostgreSQL started again in mid-search."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import driving
import pytest
from driving import study_in, wait_for

from tests.postgresql import Server, own_server

LOCKED_SECONDS = 30


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


@pytest.fixture
def server() -> Iterator[Server]:
    with own_server() as server:
        yield server


def read(server: Server) -> list[dict[str, Any]]:
    with study_in(server.url) as study:
        return driving.snapshot(study)


def ended(server: Server) -> int:
    with suppress(KeyError), study_in(server.url) as study:  # it may not be there yet
        return sum(trial.state.is_finished() for trial in study.trials)
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
    assert read(server) == undisturbed("invented")
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
    assert read(server) == undisturbed("invented", *flags)


@pytest.mark.slow
def test_a_killed_driver_goes_on_on_postgresql(
    run: Any, undisturbed: Any, server: Server, tmp_path: Path
) -> None:
    for point in ("trial created:2", "parameter drawn:8", "epoch reported:11", "trial finished:2"):
        assert run(tmp_path / "results", "invented", point, "--storage", server.url)
        (tmp_path / "results" / "killed").unlink()
    assert not run(tmp_path / "results", "invented", "", "--storage", server.url)
    assert read(server) == undisturbed("invented")
