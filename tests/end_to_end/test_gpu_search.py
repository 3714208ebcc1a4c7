"""A whole search on a GPU, by its command, where there is none: see ``fake_driver``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DRIVER = REPOSITORY / "tests" / "trainers" / "cuda" / "fake_driver"


@pytest.mark.slow
def test_a_search_trains_on_a_gpu(tmp_path: Path) -> None:
    """Ray finds the card, the check finds that it computes, two trials share it, each by a graph,
    in bfloat16; test figures, cost and NVML's figures are recorded."""
    flags = "--space wrn_sam --preset quick --dataset digits --epochs 2 --n-trials 2 --no-confirm"
    fixed = "--set depth=10 --set width=1 --set batch_size=64 --gpus-per-trial 0.5 --pruner none"
    folders = ["--data-dir", str(tmp_path / "data"), "--results-dir", str(tmp_path / "results")]
    command = [sys.executable, "-m", "search.run", *flags.split(), *fixed.split(), *folders]
    environment = {**os.environ, "PYTHONPATH": f"{DRIVER}{os.pathsep}{REPOSITORY}"}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    database = f"sqlite:///{tmp_path / 'results' / 'studies.db'}"
    study = optuna.load_study(study_name="wrn_sam-quick", storage=database)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2
    for trial in study.trials:
        found = trial.user_attrs
        assert found["graph"] == "captured"
        assert (found["gpu_utilization"], found["gpu_peak_memory_mb"]) == (90.0, 2048.0)
        assert found["test_top5"] == 100.0  # all that comes from the card is ones
    record = str(study.user_attrs)
    assert "bfloat16" in record
