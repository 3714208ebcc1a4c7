"""The process that times trainings, alone or beside others; here on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from trainers import timing
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.timing import NoMeetingError, affordable, meeting, speed_of, time_all
from trainers.trainer import Trainer

PLAIN, GRAPH = Execution(), Execution(graph=True)
SECONDS_A_STEP = 2.0**-10


class Clock:
    """Advances by each step alone; ``sizes`` are those of the batches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_an_image: float = 0.0) -> None:
        self.now, self.sizes = 0.0, list[int]()
        self.error_at, self.error = 0, RuntimeError("CUDA error: out of memory\nand more")
        step = Trainer.step

        def timed(trainer: Trainer, images: Any, *rest: Any) -> Any:
            self.sizes.append(len(images))
            if len(self.sizes) == self.error_at:
                raise self.error
            self.now += SECONDS_A_STEP + seconds_an_image * len(images)
            return step(trainer, images, *rest)

        monkeypatch.setattr(Trainer, "step", timed)
        fake = SimpleNamespace(perf_counter=lambda: self.now, monotonic=lambda: 0.0)
        monkeypatch.setattr(timing, "time", fake)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def nobody() -> None:
    """Nobody else is timed."""


def test_the_median_speed_is_found_and_many_steps_are_waited_for_together(
    tiny_config, digits: ImageData, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of about a millisecond each: a tenth of a second has two waits or a few more, not 100."""
    waits: list[Execution] = []
    monkeypatch.setattr(timing, "_wait", waits.append)
    speed, reason = speed_of(tiny_config(batch_size=40), digits, PLAIN, 0.1, nobody)
    assert (speed, reason) == (40 / SECONDS_A_STEP, "")
    assert len(waits) <= 1 + 1 + 4


def test_timing_trains_nothing(
    tiny_config, digits: ImageData, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a setting with a high rate would diverge before it is timed."""
    speed, _ = speed_of(tiny_config(lr=1e9), digits, PLAIN, 0.3, nobody)
    assert speed
    assert len(clock.sizes) > 100


@pytest.mark.parametrize("error", [RuntimeError("CUDA error\nand more"), ValueError("CUDA error")])
@pytest.mark.parametrize("step", [1, 40])
def test_whatever_goes_wrong_is_the_reason_and_rules_out_that_execution_alone(
    tiny_config, digits: ImageData, clock: Clock, error: Exception, step: int
) -> None:
    """At its first step, or while it is timed."""
    clock.error, clock.error_at = error, step
    met: list[int] = []
    found = speed_of(tiny_config(), digits, PLAIN, 0.1, lambda: met.append(1))
    assert found == (None, "CUDA error")
    assert met == [1], "the others are not kept waiting"
    assert speed_of(tiny_config(), digits, PLAIN, 0.1, nobody)[0]


def test_what_would_not_be_a_graph_is_left_out_where_that_is_asked(
    tiny_config, digits: ImageData, clock: Clock
) -> None:
    found = speed_of(tiny_config(), digits, GRAPH, 0.01, nobody, exactly=True)
    assert found == (None, "the CPU has no graphs")
    assert speed_of(tiny_config(), digits, GRAPH, 0.01, nobody)[0]


def test_contiguous_bfloat16_is_left_out_on_a_gpu_with_batch_norm(
    tiny_config, digits: ImageData
) -> None:
    trainer = Trainer(tiny_config(), digits, PLAIN)
    assert timing._why_left_out(trainer) == ""
    trainer.execution = Execution("cuda", "bfloat16", channels_last=False)
    assert "BatchNorm in bfloat16 has no fast" in timing._why_left_out(trainer)
    trainer.model = nn.Linear(2, 2)
    assert timing._why_left_out(trainer) == ""


@pytest.mark.parametrize(("seconds_an_image", "expected"), [(1 / 64, 31), (1 / 16, 7), (1.0, 4)])
def test_a_network_that_takes_long_is_timed_with_fewer_images(
    tiny_config,
    digits: ImageData,
    monkeypatch: pytest.MonkeyPatch,
    seconds_an_image: float,
    expected: int,
) -> None:
    """As many as fit into half a second, at least four."""
    Clock(monkeypatch, seconds_an_image)
    assert affordable(tiny_config(), digits, PLAIN).batch_size == expected


@pytest.mark.slow
def test_processes_time_the_same_at_the_same_time(
    tiny_config, digits_folder: Path, tmp_path: Path
) -> None:
    task = {
        "configs": [tiny_config().to_dict(), tiny_config(model="lenet").to_dict()],
        "executions": [PLAIN.to_dict(), Execution(channels_last=False).to_dict()],
        "data": str(digits_folder),
        "count": 2,
        "meeting": str(tmp_path),
        "seconds": 0.01,
        "exactly": True,
    }
    command = [sys.executable, "-m", "trainers.timing", json.dumps(task)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ours = time_all(task)
    theirs = json.loads(other.communicate()[0])
    for found in (ours, theirs):
        assert all(speed > 0 for speed, _ in found[:2])
        assert all("16 pixels wide" in reason for _, reason in found[2:])
    assert len(list(tmp_path.iterdir())) == 2 * 4


def test_who_waits_in_vain_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "SECONDS_TO_MEET", -1)
    with pytest.raises(NoMeetingError, match="2 processes were to meet"):
        meeting(tmp_path, 2)()
    meeting(tmp_path, 1)()
