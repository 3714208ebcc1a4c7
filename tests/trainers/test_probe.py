"""The probe: every way is timed and the fastest comes first; a step never lasts long."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from trainers.execution import PRECISIONS, Execution
from trainers.probe import candidates, probe
from trainers.trainer import Trainer


def test_each_precision_and_layout_is_a_candidate_with_the_given_threads() -> None:
    found = candidates(Execution(threads=3))
    ways = {(way.precision, way.channels_last) for way in found}
    assert ways == {(p, c) for p in ("float32", "bfloat16") for c in (True, False)}
    assert {way.threads for way in found} == {3}
    assert {way.precision for way in candidates(Execution("cuda"))} == set(PRECISIONS)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that were trained."""
    sizes: list[int] = []
    step = Trainer.step

    def recorded(self, images, labels, weight=1.0):
        sizes.append(len(images))
        return step(self, images, labels, weight)

    monkeypatch.setattr(Trainer, "step", recorded)
    return sizes


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


@pytest.mark.parametrize(
    ("seconds_an_image", "expected"),
    [(1 / 64, {4, 12}), (1 / 32, {4, 8}), (1.0, {4})],  # 4 is the first look at it
)
def test_a_network_that_takes_long_is_timed_with_fewer_images(
    digits_folder: Path,
    trained: list[int],
    tiny_config,
    monkeypatch: pytest.MonkeyPatch,
    seconds_an_image: float,
    expected: set[int],
) -> None:
    """As many as fit into 0.25 s, by a clock that moves with the images alone."""
    clock = SimpleNamespace(perf_counter=lambda: sum(trained) * seconds_an_image)
    monkeypatch.setattr("trainers.probe.time", clock)
    monkeypatch.setattr("trainers.probe.SECONDS_EACH", 0.25)
    probe(tiny_config(batch_size=12), digits_folder, Execution())
    assert set(trained) == expected
