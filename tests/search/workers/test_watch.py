"""The watch over workers, with a clock and a kill of the test's own."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from search.planning.resources import Bounds
from search.workers.watch import LONGEST_TICK, Watch


class Scene:
    def __init__(self) -> None:
        self.now = 1000.0
        self.killed: list[tuple[int, int]] = []
        self.watch = Watch(
            Bounds(least=60, times=10, least_first=300, times_first=100),
            clock=lambda: self.now,
            kill=lambda pid, number: self.killed.append((pid, number)),
        )

    def pass_by(self, seconds: float) -> None:
        """Time in which the driver looks every second."""
        for _ in range(int(seconds)):
            self.now += 1
            self.watch.look()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_epoch_of_all_may_take_for_ever(scene: Scene) -> None:
    scene.watch.began(0, 11)
    scene.pass_by(5000)
    assert not scene.killed


@pytest.mark.parametrize(("epoch", "bound"), [(1, 60), (20, 200)])
def test_a_worker_is_late_by_its_own_slowest_epoch(scene: Scene, epoch: int, bound: int) -> None:
    scene.watch.began(0, 11)
    scene.pass_by(epoch)
    scene.watch.heard(0)
    scene.pass_by(bound)
    assert not scene.killed
    scene.pass_by(100)
    assert scene.killed == [(11, signal.SIGKILL)]  # once
    assert scene.watch.ended(0) == f"no epoch within {bound} s"


@pytest.mark.parametrize(("epoch", "bound"), [(1, 300), (20, 2000)])
def test_a_first_epoch_is_late_by_the_slowest_of_others(
    scene: Scene, epoch: int, bound: int
) -> None:
    scene.watch.began(0, 11)
    scene.pass_by(epoch)
    scene.watch.heard(0)
    scene.watch.ended(0)
    scene.watch.began(1, 12)
    scene.pass_by(bound)
    assert not scene.killed
    scene.pass_by(1)
    assert scene.killed == [(12, signal.SIGKILL)]


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_a_clock_that_jumps_makes_nobody_late(scene: Scene, jump: float) -> None:
    scene.watch.began(0, 11)
    scene.pass_by(1)
    scene.watch.heard(0)
    scene.now += jump
    scene.watch.look()
    assert not scene.killed
    assert LONGEST_TICK < 60


def test_a_worker_that_is_gone_already_is_no_error() -> None:
    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError

    times = iter(range(1000))
    clock: Callable[[], float] = lambda: float(next(times))  # noqa: E731
    watch = Watch(Bounds(1, 1, 1, 1), clock=clock, kill=gone)
    watch.began(0, 11)
    watch.look()
    watch.heard(0)
    for _ in range(20):
        watch.look()
    assert watch.ended(0) == "no epoch within 1 s"
    assert watch.ended(7) == ""
