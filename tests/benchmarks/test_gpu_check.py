"""The GPU's check, run on the CPU: what makes sense there passes, and what fails is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from benchmarks.gpu_check.__main__ import CHECKS, main
from benchmarks.gpu_check.check import Check, Figures, Setting, expect, needs_gpu

FOR_A_GPU = {"the card is reached", "no step waits", "NVML", "trials at once"}
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


@pytest.mark.slow
def test_what_makes_sense_on_the_cpu_passes_there(run: Run) -> None:
    code, line = run(CHECKS)
    results = {name: found["result"] for name, found in line["checks"].items()}
    expected = {n: "skipped" if n in FOR_A_GPU else "passed" for n in CHECKS}
    assert results == expected, line["checks"]
    assert code == 0
    assert line["checks"]["a search"]["trials"] == 3
