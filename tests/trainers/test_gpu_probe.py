"""The process that times ways to compute beside others on a card; here on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trainers import gpu_probe
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.gpu_probe import NoMeetingError, meeting, speeds
from trainers.trainer import Trainer

WAYS = [Execution(channels_last=True), Execution(channels_last=False), Execution(graph=True)]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_probe, "SECONDS_EACH", 0.001)
    monkeypatch.setattr(gpu_probe, "SECONDS_A_WAIT", 0.0001)


@pytest.mark.usefixtures("brief")
def test_each_way_is_timed_once_all_have_met(tiny_config, digits: ImageData) -> None:
    met: list[int] = []
    first, second, graph = speeds(tiny_config(), digits, WAYS, lambda: met.append(1))
    assert first[0] is not None
    assert second[0] is not None
    assert min(first[0], second[0]) > 0
    assert graph == (None, "the CPU has no graphs")
    assert len(met) == len(WAYS), "who cannot train does not keep the others waiting"


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("step", [1, 40])
def test_a_way_that_runs_out_of_memory_has_no_speed(
    tiny_config, digits: ImageData, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """At its first step, or while it is timed."""
    real, done = Trainer.step, []

    def full(trainer: Trainer, *arguments: Any) -> Any:
        done.append(trainer.execution)
        if trainer.execution == WAYS[0] and len(done) == step:
            raise RuntimeError("CUDA error: out of memory\nand more")
        return real(trainer, *arguments)

    monkeypatch.setattr(Trainer, "step", full)
    clock = SimpleNamespace(perf_counter=lambda: len(done) / 1e5, monotonic=lambda: 0)
    monkeypatch.setattr(gpu_probe, "time", clock)
    first, second = speeds(tiny_config(), digits, WAYS[:2], lambda: None)
    assert first == (None, "CUDA error: out of memory")
    assert second[0] == pytest.approx(1e5 * tiny_config().batch_size, rel=0.5)


def test_many_steps_are_waited_for_together(
    tiny_config, digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a millisecond each: a tenth of a second has five waits or a few more, not 100."""
    monkeypatch.setattr(gpu_probe, "SECONDS_EACH", 0.1)
    monkeypatch.setattr(gpu_probe, "SECONDS_A_WAIT", 0.02)
    now, waits = [0.0], []
    step = Trainer.step

    def slow(trainer: Trainer, *arguments: Any) -> Any:
        now[0] += 0.001
        return step(trainer, *arguments)

    monkeypatch.setattr(Trainer, "step", slow)
    monkeypatch.setattr(gpu_probe, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(gpu_probe, "_wait", waits.append)
    ((speed, _),) = speeds(tiny_config(), digits, WAYS[:1], lambda: None)
    assert speed is not None
    assert len(waits) <= 1 + 1 + 6


@pytest.mark.slow
def test_processes_time_the_same_way_at_the_same_time(
    tiny_config, digits_folder: Path, tmp_path: Path
) -> None:
    task = {
        "config": tiny_config().to_dict(),
        "data": str(digits_folder),
        "ways": [way.to_dict() for way in WAYS[:2]],
        "count": 2,
        "meeting": str(tmp_path),
    }
    command = [sys.executable, "-m", "trainers.gpu_probe", json.dumps(task)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        found = json.loads(process.communicate()[0])
        assert [reason for _, reason in found] == ["", ""]
        assert min(speed for speed, _ in found) > 0
    assert len(list(tmp_path.iterdir())) == 2 * 2


def test_who_waits_in_vain_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_probe, "SECONDS_TO_MEET", -1)
    with pytest.raises(NoMeetingError, match="2 processes were to meet"):
        meeting(tmp_path, 2)()
    meeting(tmp_path, 1)()
