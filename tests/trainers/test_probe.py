"""The probe: every way is timed and the fastest comes first; a step never lasts long."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.probe import candidates, probe
from trainers.trainer import Trainer


def test_each_precision_and_layout_is_a_candidate_with_the_given_threads() -> None:
    found = candidates(Execution(threads=3))
    ways = {(way.precision, way.channels_last) for way in found}
    assert ways == {(p, c) for p in ("float32", "bfloat16") for c in (True, False)}
    assert {way.threads for way in found} == {3}


@pytest.fixture
def batches_seen(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Sizes of the batches that were trained; the probe takes no longer than it must."""
    seen: set[int] = set()
    step = Trainer.step

    def recorded(self, images, labels, weight=1.0):
        seen.add(len(images))
        return step(self, images, labels, weight)

    monkeypatch.setattr(Trainer, "step", recorded)
    return seen


def test_every_way_is_timed_and_the_fastest_comes_first(
    digits_folder: Path, tiny_config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.probe.SECONDS_EACH", 0.02)
    timings = probe(tiny_config(batch_size=16), digits_folder, Execution())
    speeds = [timing["images_per_second"] for timing in timings]
    assert speeds == sorted(speeds, reverse=True)
    assert min(speeds) > 0
    found = {Execution.from_mapping(timing["execution"]) for timing in timings}
    assert found == set(candidates(Execution()))


def test_a_network_that_takes_long_is_timed_with_few_images(
    digits_folder: Path, batches_seen: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.probe.SECONDS_EACH", 0.02)
    heavy = TrainConfig(model="wide_resnet", depth=40, width=2, batch_size=128)
    probe(heavy, digits_folder, Execution())
    assert max(batches_seen) < 128


def test_a_light_one_is_timed_with_its_own_batches(
    digits_folder: Path, batches_seen: set[int], tiny_config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.probe.SECONDS_EACH", 0.2)
    probe(tiny_config(batch_size=6), digits_folder, Execution())
    assert batches_seen == {4, 6}  # 4 is the first look at it
