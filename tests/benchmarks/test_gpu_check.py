"""The GPU's check, run on the CPU: what makes sense there passes, and what fails is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.gpu_check.__main__ import CHECKS, main
from benchmarks.gpu_check.check import Check, Figures, Setting, expect, needs_gpu
from benchmarks.gpu_check.whole_search import seconds_between

FOR_A_GPU = {"the card is reached", "no step waits", "NVML"}
Run = Callable[[Mapping[str, Check]], tuple[int, dict[str, Any]]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Exit code of the smallest check on the CPU, and its line of JSON."""

    def check(checks: Mapping[str, Check]) -> tuple[int, dict[str, Any]]:
        code = main(["--device", "cpu", "--smallest"], checks)
        return code, json.loads(capfd.readouterr().out.splitlines()[-1])

    return check


def good(setting: Setting) -> Figures:
    return {"images": 3}


def wrong(setting: Setting) -> Figures:
    expect(1 > 2, "1 is not more than 2")
    return {}


def broken(setting: Setting) -> Figures:
    raise RuntimeError("CUDA error\nand more")


def skipped(setting: Setting) -> Figures:
    needs_gpu(setting, "there is none")
    return {}


def test_every_check_runs_whichever_failed_before(run: Run) -> None:
    checks = {"wrong": wrong, "broken": broken, "skipped": skipped, "good": good}
    code, line = run(checks)
    assert code == 1
    found = line["checks"]
    assert [found[name]["result"] for name in checks] == ["failed", "failed", "skipped", "passed"]
    assert found["wrong"]["said"] == "1 is not more than 2"
    assert found["broken"]["said"].startswith("RuntimeError: CUDA error")
    assert found["skipped"]["said"] == "on the CPU there is none"
    assert found["good"]["images"] == 3
    assert (line["device"], line["card"]) == ("cpu", None)
    assert {"torch", "optuna", "ray"} <= set(line["versions"])


def test_nothing_failed_is_exit_code_0(run: Run) -> None:
    assert run({"good": good, "skipped": skipped})[0] == 0


def test_without_a_gpu_it_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "torch reaches no GPU here; --device cpu" in capfd.readouterr().err


def test_seconds_between_trials_are_what_training_and_test_leave() -> None:
    """Of those that completed and are not a worker's first; 6 s each, of which it trains for 5 and
    tests for 0.7."""
    begin = datetime(2026, 1, 1)

    def trial(reason: str, beside: float) -> Any:
        figures = {"reason": reason, "wall_seconds": 5.0, "test_seconds": 0.7}
        end = begin + timedelta(seconds=5.7 + beside)
        return SimpleNamespace(datetime_start=begin, datetime_complete=end, user_attrs=figures)

    first, failed = trial("completed", 9.0), trial("failed", 99.0)
    later = [trial("completed", beside) for beside in (0.3, 0.2, 0.9)]
    assert seconds_between([first, failed, first, *later]) == pytest.approx(0.3)
    assert seconds_between([first, first]) is None


@pytest.mark.slow
def test_what_makes_sense_on_the_cpu_passes_there(run: Run) -> None:
    code, line = run(CHECKS)
    results = {name: found["result"] for name, found in line["checks"].items()}
    expected = {n: "skipped" if n in FOR_A_GPU else "passed" for n in CHECKS}
    assert results == expected, line["checks"]
    assert code == 0
    assert line["checks"]["a search"]["trials"] == 3
