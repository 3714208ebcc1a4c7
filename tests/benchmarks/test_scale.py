"""How far a driver goes, at its smallest size; what it would say of a study with losses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness import Options
from benchmarks.scale import do_nothing, drive, faults, main
from benchmarks.studies import open_runner, study_request
from search.settings.request import Request
from search.study.messages import Completed, EpochDone


@pytest.fixture
def request_of_three(tmp_path: Path) -> Request:
    options = Options("smallest", None, str(tmp_path / "data"))
    return replace(study_request(options, tmp_path / "results"), n_trials=3)


def test_a_whole_study_has_no_faults_until_somebody_says_it_told_more(
    request_of_three: Request,
) -> None:
    assert drive(request_of_three) == 3
    assert faults(request_of_three, [1, 2]) == []
    assert faults(request_of_three, [2, 2]) == ["4 tells of 3 trials"]


def test_a_trial_that_ended_without_all_epochs_is_found(request_of_three: Request) -> None:
    with open_runner(request_of_three) as runner:
        task = runner.next_task()
        assert task is not None
        *epochs, _, completed = do_nothing(task)
        for epoch in epochs:
            assert isinstance(epoch, EpochDone)
            runner.report(task.number, epoch)
        assert isinstance(completed, Completed)
        runner.end(task.number, completed)
    drive(request_of_three)
    assert faults(request_of_three, [3]) == ["trials without all their epochs: [0] and so on"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "part", "count"),
    [
        (("--workers", "2", "--seconds", "0.5"), "rates", 1),
        (("--drivers", "2", "--trials", "6"), "told", 2),
    ],
)
def test_both_parts_run_at_their_smallest(
    flags: tuple[str, ...], part: str, count: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    assert main([*flags, "--data-dir", str(tmp_path / "data"), "--json", str(file)]) == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert found == json.loads(file.read_text())
    assert len(found[part]) == count
