"""Two drivers on one study; workers that die or hang; Ray itself killed; failures alike."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from driving import wait_for

PAUSING = ("--n-trials", "10", "--epochs", "9", "--pruner", "promotion")
UNORDERED = ("", *["--sampler", "random", "--pruner", "none"])  # each trial draws for itself


def log_of(folder: Path) -> str:
    file = folder.with_name(f"{folder.name}.log")
    return file.read_text() if file.exists() else ""


def test_two_drivers_share_the_work_and_meet_the_total(
    start: Any, snapshot: Any, undisturbed: Any, tmp_path: Path
) -> None:
    drivers = [start(tmp_path / "results", "slow", *UNORDERED) for _ in range(2)]
    for driver in drivers:
        driver.join()
        assert driver.exitcode == 0
    assert snapshot(tmp_path / "results") == undisturbed("invented", *UNORDERED[1:])
    owners = {trial.user_attrs["driver"] for trial in study_of(tmp_path / "results").trials}
    assert len(owners) == 2


@pytest.mark.slow
def test_of_two_drivers_one_is_killed_over_and_over(
    start: Any, run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, kills: int
) -> None:
    """The other resumes what it left, and never a live trial."""
    folder, draw, struck, study = tmp_path / "0", random.Random(1), 0, 0
    while struck < kills:
        first, second = (start(folder, "slow", *UNORDERED) for _ in range(2))
        time.sleep(draw.uniform(0.3, 3.0))
        first.kill()
        first.join()
        second.join()
        struck += first.exitcode != 0
        assert second.exitcode == 0
        assert snapshot(folder) == undisturbed("invented", *UNORDERED[1:])
        study += 1
        folder = tmp_path / str(study)


def study_of(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="tiny-quick", storage=f"sqlite:///{folder}/studies.db")


@pytest.mark.parametrize("again", [False, True])
def test_a_study_that_fails_from_the_start_stops_and_says_why(
    start: Any, tmp_path: Path, again: bool
) -> None:
    folder = tmp_path / "results"
    for _ in range(1 + again):
        process = start(folder, "failing")
        process.join()
        assert process.exitcode == 1
    stopped = folder.with_name("results.stopped.txt").read_text()
    assert "failed for the same reason: RuntimeError: no kernel for trial 0" in stopped
    assert [trial.state.name for trial in study_of(folder).trials] == ["FAIL"] * (5 + again)


# -- with Ray ------------------------------------------------------------------------------------


def descendants(pid: int) -> dict[psutil.Process, str]:
    """Command lines of all processes that come from ``pid``; none where it has ended."""
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(pid).children(recursive=True)
    found = {}
    for process in children:
        with suppress(psutil.Error):
            found[process] = " ".join(process.cmdline())
    return found


def worker_of(pid: int) -> int | None:
    commands = descendants(pid).items()
    return next((p.pid for p, name in commands if re.match("ray::.*Trainable", name)), None)


def raylet_of(pid: int) -> int | None:
    return next((p.pid for p, name in descendants(pid).items() if "raylet/raylet" in name), None)


def gone(processes: Iterable[psutil.Process]) -> bool:
    return not any(_runs(process) for process in processes)


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


STRIKES = [
    (worker_of, signal.SIGKILL, "its worker died; another worker resumes it"),
    (worker_of, signal.SIGSTOP, "another worker resumes it"),
    (raylet_of, signal.SIGKILL, "Ray's raylet died; Ray is started again"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "number", "message"), STRIKES)
@pytest.mark.parametrize("epoch", [2, 9])
def test_ray_loses_a_process(
    start: Any,
    snapshot: Any,
    undisturbed: Any,
    tmp_path: Path,
    victim: Callable[[int], int | None],
    number: int,
    message: str,
    epoch: int,
) -> None:
    folder = tmp_path / "results"
    driver = start(folder, "ray slow", *UNORDERED)
    wait_for(lambda: log_of(folder).count(" epoch ") >= epoch)
    os.kill(wait_for(lambda: victim(driver.pid)), number)
    wait_for(lambda: message in log_of(folder))
    seen = descendants(driver.pid)
    driver.join()
    assert driver.exitcode == 0
    assert snapshot(folder) == undisturbed("invented", *UNORDERED[1:])
    wait_for(lambda: gone(seen), 10)


@pytest.mark.slow
@pytest.mark.parametrize("strikes", [3])
def test_a_worker_that_dies_too_often_fails_its_trial_alone(
    start: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, strikes: int
) -> None:
    folder = tmp_path / "results"
    driver = start(folder, "ray slow", *UNORDERED)
    for strike in range(strikes):
        wait_for(lambda: log_of(folder).count("trial 1 started") > strike)  # noqa: B023
        pid = wait_for(lambda: worker_of(driver.pid))
        time.sleep(0.3)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: log_of(folder).count("its worker died") > strike)  # noqa: B023
    driver.join()
    trials, expected = snapshot(folder), undisturbed("invented", *UNORDERED[1:])
    assert trials[1]["state"] == "FAIL"
    assert trials[1]["reason"] == repr("its worker died, 3 times")
    assert [t for t in trials if t["number"] != 1] == [t for t in expected if t["number"] != 1]


@pytest.mark.slow
def test_the_driver_is_killed_at_random_moments_with_ray(
    start: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, kills: int
) -> None:
    """A tenth of ``kills``: Ray takes seconds to start. No process of a dead driver is left: its
    workers die at once, but Ray's own agents look for it only now and then."""
    folder, draw, struck, study = tmp_path / "0", random.Random(2), 0, 0
    seen: set[psutil.Process] = set()
    while struck < max(1, kills // 10):
        driver = start(folder, "ray slow", *UNORDERED)
        before = len(log_of(folder))
        wait_for(lambda: len(log_of(folder)) > before)  # noqa: B023
        time.sleep(draw.uniform(0.0, 12.0))
        seen |= descendants(driver.pid).keys()
        driver.kill()
        driver.join()
        struck += driver.exitcode != 0
        if driver.exitcode == 0:
            assert snapshot(folder) == undisturbed("invented", *UNORDERED[1:])
            study += 1
            folder = tmp_path / str(study)
    driver = start(folder, "ray slow", *UNORDERED)
    driver.join()
    assert snapshot(folder) == undisturbed("invented", *UNORDERED[1:])
    wait_for(lambda: gone(seen), 150)


@pytest.mark.slow
def test_the_driver_is_killed_with_ray_while_trials_are_paused(
    start: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, kills: int
) -> None:
    """Two fifths of ``kills``, 20 by default, each after another pause; one study after another,
    each driver beside what the last one's Ray leaves for a while."""
    flags = ("--concurrency", "1", *PAUSING)
    expected = undisturbed("invented", *PAUSING)
    folder, draw, struck, study = tmp_path / "0", random.Random(3), 0, 0
    seen: set[psutil.Process] = set()
    while struck < max(1, 2 * kills // 5):
        driver = start(folder, "ray slow", "", *flags)
        before, more = _paused(folder), draw.randint(1, 4)
        wait_for(lambda: _paused(folder) >= before + more or not driver.is_alive())  # noqa: B023
        seen |= descendants(driver.pid).keys()
        driver.kill()
        driver.join()
        struck += driver.exitcode != 0
        if driver.exitcode == 0:
            assert snapshot(folder) == expected
            study += 1
            folder = tmp_path / str(study)
    driver = start(folder, "ray slow", "", *flags)
    driver.join()
    assert snapshot(folder) == expected
    wait_for(lambda: gone(seen), 150)


def _paused(folder: Path) -> int:
    return log_of(folder).count(" paused at ")
