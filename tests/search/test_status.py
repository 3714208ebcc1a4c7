"""How far a study is and who works on it, from its database and its drivers' locks alone."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search import status
from search.common.errors import run_main
from search.common.layout import StudyFolder
from search.record.record import StrategyFacts
from search.storage.lease import Lease
from search.storage.storage import open_storage
from search.study.acquire import OWNER
from tests.search.reporting.studies import our_study, trial

RUNNING = TrialState.RUNNING
STORAGE = "results/studies.log"


@pytest.fixture(autouse=True)
def cluster_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("results").mkdir()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert status.main(["--storage", STORAGE, *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_who_is_at_work_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    place = str(Path("results/study").resolve())
    strategy = StrategyFacts(n_trials=9, epoch_budget=40)
    study = our_study(storage=open_storage(STORAGE), strategy=strategy, folder=place)
    with Lease(StudyFolder(Path("results"), "study")) as lease:
        noon = datetime(2027, 1, 15, 12, 0).timestamp()
        os.utime(Path(place, "drivers", f"{lease.driver}.lock"), (noon, noon))
        paused: dict[str, Any] = {"paused_at": 2, "target": 2}
        for each in (
            trial(0, [50.0, 60.0, 70.0, 80.0]),
            trial(1, [0.4], TrialState.FAIL, reason="broken"),
            trial(2, [0.5, 0.6], RUNNING, recorded=paused),
            trial(3, [0.5, 0.6, 0.7], RUNNING, recorded={OWNER: lease.driver}),
            trial(4, [], RUNNING, recorded={OWNER: lease.driver}),
            trial(5, [0.5], RUNNING, recorded={OWNER: "node2-1-gone"}),
        ):
            study.add_trial(each)
        expected = [
            "study study: 2 of 9 trials finished, 1 of them failed, 1 paused, 2 running, "
            "3 not begun",
            "epochs: 11 of 40",
            "best so far: trial 0, validation top-1 80.00 %, lr=0.1 width=2 augment=none",
            f"at work: {lease.driver}, since 2027-01-15 12:00: trials 3 (epoch 3), 4 (epoch 0)",
            "left behind by drivers that are gone: trials 5; the next one resumes them",
        ]
        assert said(capsys, "--study-name", "study") == expected
        assert said(capsys, "--results-dir", "elsewhere") == expected  # the record knows where


def test_a_reevaluation_is_told_with_its_study(capsys: pytest.CaptureFixture[str]) -> None:
    storage = open_storage(STORAGE)
    our_study(storage=storage, folder=str(Path("results/study").resolve()))
    our_study("study-confirm", storage=storage, reevaluates="study", strategy=StrategyFacts())
    assert said(capsys) == [
        "study study: 0 of 9 trials finished, 0 paused, 0 running, 9 not begun",
        "best so far: none, no trial is complete",
        "study study-confirm: 0 trials finished, 0 paused, 0 running",
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [("none", "no study 'none' in"), ("foreign", "was not made by this program")],
)
def test_wrong_names_are_one_line(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.create_study(study_name="foreign", storage=open_storage(STORAGE))
    given = ["--storage", STORAGE, "--study-name", name]
    assert run_main(lambda: status.main(given)) == 2
    assert message in capsys.readouterr().err
