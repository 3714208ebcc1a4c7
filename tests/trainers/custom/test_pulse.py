"""The sign of life of a training function: processor time, and nothing else."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from trainers.custom import pulse as module
from trainers.custom.pulse import pulse

LOOKS = 3


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LOOKS", 0.001)


def looked(monkeypatch: pytest.MonkeyPatch, seconds_a_look: float) -> int:
    """Beats until a process that takes so much processor time between looks was looked at."""
    beats, looks, enough = 0, 0, threading.Event()

    def process_time() -> float:
        nonlocal looks
        looks += 1
        if looks > LOOKS + 1:
            enough.set()
        return looks * seconds_a_look

    def beat() -> None:
        nonlocal beats
        beats += 1

    monkeypatch.setattr(module, "time", SimpleNamespace(process_time=process_time))
    with pulse(beat):
        assert enough.wait(60)
    return beats


def test_a_process_at_work_beats_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, seconds_a_look=0.001) >= LOOKS


def test_a_process_that_waits_does_not_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, seconds_a_look=0.0) == 0


def test_nothing_beats_afterwards() -> None:
    beats: list[float] = []
    with pulse(lambda: beats.append(time.monotonic())):
        pass
    assert "pulse" not in {thread.name for thread in threading.enumerate()}
