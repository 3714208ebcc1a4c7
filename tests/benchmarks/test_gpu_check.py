"""The GPU's check, run on the CPU: what makes sense there passes, and what fails is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.checks import CHECKS, CORRECTNESS, SPEED, Check
from benchmarks.gpu_check.whole_search import seconds_between
from benchmarks.gpu_check.whole_training import kind_of

FOR_A_GPU = {"reached", "waits", "nvml"}
NEED_MORE_PACKAGES = {"search", "energy"}
STAND_INS = """
import os, signal
from benchmarks.gpu_check.check import expect, needs_gpu

def good(setting):
    setting.record("rows/eager", 3)

def wrong(setting):
    expect(1 > 2, "1 is not more than 2")

def broken(setting):
    raise RuntimeError("CUDA error")

def skipped(setting):
    needs_gpu(setting, "there is none")

def dead(setting):
    setting.record("images", 4)
    os.kill(os.getpid(), signal.SIGSEGV)

def endless(setting):
    setting.record("images", 5)
    signal.pause()
"""
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Exit code of the smallest check on the CPU, and its line of JSON."""
    (tmp_path / "stand_ins.py").write_text(STAND_INS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def check(checks: Mapping[str, Check], *flags: str) -> tuple[int, dict[str, Any]]:
        to = ["--out", str(tmp_path / "out")]
        code = main(["--device", "cpu", "--smallest", *to, *flags], checks)
        return code, json.loads(capfd.readouterr().out.splitlines()[-1])

    return check


def stand_in(name: str, half: str = CORRECTNESS, limit: float = 60.0) -> Check:
    return Check(half, f"stand_ins:{name}", limit, alone=name == "good")


def test_every_check_runs_whichever_failed_before(run: Run, tmp_path: Path) -> None:
    checks = {name: stand_in(name) for name in ("wrong", "broken", "skipped", "dead", "good")}
    checks["endless"] = stand_in("endless", limit=0.5)
    checks["other_half"] = stand_in("good", SPEED)
    code, line = run(checks)
    found = line["checks"]
    assert code == 1
    results = {name: known["result"] for name, known in found.items()}
    assert results == {
        **dict.fromkeys(("wrong", "broken", "dead", "endless"), "failed"),
        "skipped": "skipped",
        **dict.fromkeys(("good", "other_half"), "passed"),
    }
    assert found["wrong"]["said"] == "1 is not more than 2"
    assert found["broken"]["said"] == "RuntimeError: CUDA error"
    assert found["skipped"]["said"] == "on the CPU there is none"
    assert found["good"]["rows"] == {"eager": 3}
    assert found["dead"]["said"].startswith("it ended with code -11")
    assert found["endless"]["said"].startswith("it ran out of its 0 s")
    assert (found["dead"]["images"], found["endless"]["images"]) == (4, 5)
    out = tmp_path / "out"
    assert json.loads((out / "endless.json").read_text()) == found["endless"]
    assert json.loads((out / "summary.json").read_text()) == line
    assert "CUDA error" in (out / "broken.log").read_text()
    assert {"torch", "optuna", "ray"} <= set(line["versions"])


def test_one_half_or_some_checks_run_alone(run: Run) -> None:
    checks = {"good": stand_in("good"), "skipped": stand_in("skipped", SPEED)}
    code, line = run(checks, "--half", "speed")
    assert (code, set(line["checks"])) == (0, {"skipped"})
    code, line = run(checks, "--only", "good")
    assert (code, set(line["checks"])) == (0, {"good"})


def test_checks_need_torch_and_numpy_alone_but_for_two(run: Run, tmp_path: Path) -> None:
    others = ("optuna", "ray", "sqlalchemy", "pandas", "rich", "sklearn", "scipy", "torchvision")
    blocked = "\n".join(f"sys.modules[{name!r}] = None" for name in (*others, "PIL", "psutil"))
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}\n")
    (tmp_path / "stand_ins.py").write_text(
        "from importlib import import_module\n"
        "from benchmarks.gpu_check.checks import CHECKS\n\n"
        "def imported(setting):\n"
        "    for name, check in CHECKS.items():\n"
        "        if name != 'search':\n"
        "            import_module(check.function.partition(':')[0])\n"
    )
    names = ("precision", "ceilings", "failing_trials", *NEED_MORE_PACKAGES)
    checks = {name: CHECKS[name] for name in names} | {"imported": stand_in("imported")}
    _, line = run(checks)
    results = {name: known["result"] for name, known in line["checks"].items()}
    needy = dict.fromkeys(NEED_MORE_PACKAGES, "skipped")
    assert results == dict.fromkeys(checks, "passed") | needy, line["checks"]
    assert line["checks"]["search"]["said"] == "it needs optuna, which is not installed"


def test_without_a_gpu_it_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is there")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "torch reaches no GPU here; --device cpu" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("sm90_xmma_wgrad_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc", "convolution"),
        ("at::native::batch_norm_backward_reduce_channels_last_kernel<4>", "BatchNorm"),
        (
            "at::native::vectorized_elementwise_kernel<bfloat16_copy_kernel_cuda>",
            "cast and copy",
        ),
        ("at::native::multi_tensor_apply_kernel<FusedSgdMathFunctor<float, 3>>", "optimiser"),
        ("nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_TNT", "product"),
        ("at::native::elementwise_kernel<128, 4, threshold_kernel>", "elementwise"),
        ("something_new", "other"),
    ],
)
def test_kernels_are_told_apart_by_their_names(kernel: str, kind: str) -> None:
    assert kind_of(kernel) == kind


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
@pytest.mark.parametrize("half", [CORRECTNESS, SPEED])
def test_what_makes_sense_on_the_cpu_passes_there(run: Run, half: str) -> None:
    code, line = run(CHECKS, "--half", half)
    results = {name: found["result"] for name, found in line["checks"].items()}
    names = [name for name, check in CHECKS.items() if check.half == half]
    expected = {n: "skipped" if n in FOR_A_GPU else "passed" for n in names}
    assert results == expected, line["checks"]
    assert code == 0
