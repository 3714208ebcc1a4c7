"""The driver is killed at every step of a trial; the study ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from itertools import cycle, islice
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

# Each with how often it is passed, at least, in the study of its kind of work.
RUNNER_POINTS = {
    "study created": 1,
    "study identified": 1,
    "trial created": 10,
    "trial owned": 10,
    "parameter drawn": 30,
    "file half written": 26,
    "file written": 26,
    "epoch reported": 25,
    "pruning decided": 3,
    "divergence reported": 1,
    "constraint recorded": 1,
    "reason recorded": 10,
    "trial finished": 10,
}
TRAINER_POINTS = {
    "epoch trained": 6,
    "file half written": 14,
    "file written": 14,
    "best kept": 6,
    "checkpoint rotated": 6,
    "checkpoint kept": 6,
    "history written": 6,
    "epoch reported": 6,
    "reason recorded": 4,
    "leftover removed": 6,
}
COPY_POINTS = {"epoch copied": 6, "file written": 8, "reason recorded": 3, "trial finished": 3}
PROMOTION_POINTS = {
    "target recorded": 24,
    "paused": 9,
    "promoted": 8,
    "trial owned": 18,
    "reason recorded": 10,
    "trial finished": 10,
    "paused finished": 1,
}
BUDGET_POINTS = {"target recorded": 28, "paused": 18, "promoted": 8, "paused finished": 10}
RAISED_POINTS = {
    "trial continued": 4,
    "checkpoint taken over": 3,
    "paused": 8,
    "paused finished": 8,
}
REEVALUATION_POINTS = {
    "study created": 2,
    "study identified": 2,
    "row enqueued": 10,
    "trial created": 16,
    "parameter drawn": 12,
    "epoch reported": 16,
    "reason recorded": 8,
    "trial finished": 16,
}
SAMPLE = [
    ("confirmed", "study created", 2),
    ("confirmed", "row enqueued", 5),
    ("confirmed", "epoch reported", 20),
    ("promoted", "promoted", 3),
    ("promoted", "paused finished", 1),
    ("budgeted", "paused", 9),
    ("budgeted", "target recorded", 12),
    ("budgeted", "paused finished", 5),
    ("copied", "epoch copied", 2),
    ("invented", "parameter drawn", 8),
    ("invented", "epoch reported", 6),
    ("invented", "pruning decided", 1),
    ("invented", "reason recorded", 4),
    ("invented", "trial finished", 5),
    ("trained", "checkpoint rotated", 3),
    ("trained", "leftover removed", 2),
    ("raised", "trial continued", 2),
    ("raised", "checkpoint taken over", 1),
]
ALL = {
    (work, name, nth)
    for work, points in (
        ("invented", RUNNER_POINTS),
        ("trained", TRAINER_POINTS),
        ("copied", COPY_POINTS),
        ("promoted", PROMOTION_POINTS),
        ("budgeted", BUDGET_POINTS),
        ("raised", RAISED_POINTS),
        ("confirmed", REEVALUATION_POINTS),
    )
    for name, passings in points.items()
    for nth in range(1, passings + 1)
}
CASES = [
    *SAMPLE,
    *(pytest.param(*case, marks=pytest.mark.slow) for case in sorted(ALL - set(SAMPLE))),
]
OWN_LOOP_POINTS = (
    "trial owned:1",  # first: the check of the loop, which has passed by then, trains elsewhere
    "epoch trained:1",
    "checkpoint rotated:2",
    "file half written:1",
    "checkpoint kept:1",
    "history written:1",
    "epoch reported:2",
)


def check(run: Any, snapshot: Any, folder: Path, expected: Any, work: str, kill_at: str) -> None:
    assert run(folder, work, kill_at), f"{kill_at} was never passed"
    assert not run(folder, work)
    assert snapshot(folder) == expected
    assert not list(folder.rglob("*.tmp")), "what a killed process had half written is left"
    assert not list(folder.rglob("checkpoint*")), "what nothing can use any more is left"


def check_raised(run: Any, snapshot: Any, folder: Path, point: str) -> None:
    """A budget is raised: some of the trials that were left paused continue."""
    small, large = ("--epoch-budget", "40"), ("--epoch-budget", "160")
    killed, whole = folder / "killed", folder / "whole"
    assert not run(killed, "raised", "", *small)
    shutil.copytree(killed, whole)
    assert not run(whole, "raised", "", *large)
    assert run(killed, "raised", point, *large)
    assert not run(killed, "raised", "", *large)
    assert snapshot(killed) == snapshot(whole)
    assert any("continues" in trial for trial in snapshot(whole))


@pytest.mark.parametrize(("work", "point", "nth"), CASES)
def test_killed_at(
    run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, work: str, point: str, nth: int
) -> None:
    if work == "raised":
        check_raised(run, snapshot, tmp_path, f"{point}:{nth}")
    else:
        check(run, snapshot, tmp_path, undisturbed(work), work, f"{point}:{nth}")


@pytest.mark.slow
@pytest.mark.parametrize("work", ["invented", "trained", "confirmed"])
def test_killed_at_random_moments(
    start: Callable[..., BaseProcess],
    run: Any,
    snapshot: Any,
    undisturbed: Any,
    tmp_path: Path,
    kills: int,
    work: str,
) -> None:
    """From outside, over and over, until so many kills have struck; studies follow each other."""
    expected, struck, study = undisturbed(work), 0, 0
    draw = random.Random(0)
    while struck < kills:
        folder = tmp_path / str(study)
        process = start(folder, work)
        time.sleep(draw.uniform(0.02, 3.0 if work == "trained" else 1.0))
        process.kill()
        process.join()
        struck += process.exitcode != 0
        if process.exitcode == 0 or draw.random() < 0.1:
            run(folder, work)
            assert snapshot(folder) == expected
            study += 1
    run(folder, work)
    assert snapshot(folder) == expected


@pytest.mark.parametrize("point", ["retry enqueued:1", "trial created:1", "epoch reported:2"])
def test_killed_while_failed_trials_are_tried_again(
    run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, point: str
) -> None:
    """Trial 5 of this study fails; tried again under the next number, it completes."""
    before = undisturbed("invented")
    assert not run(tmp_path, "invented")
    assert run(tmp_path, "invented", point, "--retry-failed")
    assert not run(tmp_path, "invented", "", "--retry-failed")
    *earlier, again = snapshot(tmp_path)
    assert earlier == before
    assert again["params"] == before[5]["params"]
    assert (again["retry_of"], again["state"]) in (("5", "COMPLETE"), ("5", "PRUNED"))


@pytest.mark.slow
@pytest.mark.parametrize("work", ["own loop in NumPy", "own loop in torch"])
def test_a_loop_of_ones_own_is_killed_ten_times(
    run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, work: str
) -> None:
    for point in islice(cycle(OWN_LOOP_POINTS), 10):
        assert run(tmp_path, work, point), f"{point} was never passed"
        (tmp_path / "killed").unlink()
    assert not run(tmp_path, work)
    assert snapshot(tmp_path) == undisturbed(work)
