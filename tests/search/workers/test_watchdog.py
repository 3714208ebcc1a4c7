"""The watch over workers, with a clock and a kill of the test's own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search.study.messages import Completed, Task
from search.workers import heartbeat
from search.workers.heartbeat import Heartbeat, last_beat
from search.workers.train_task import train_task
from search.workers.watchdog import LONGEST_TICK, Watch
from trainers.config import TrainConfig
from trainers.data.prepare import prepare
from trainers.data.prepared import load_prepared
from trainers.data.split import split_indices

SILENCE = 60.0


class Scene:
    """A watch, its clock, whom it killed, and the heartbeat file of worker 11 at trial 0."""

    def __init__(self, file: Path) -> None:
        self.now = 1000.0
        self.killed: list[tuple[int, int]] = []
        self.file = file
        self.watch = Watch(
            SILENCE,
            clock=lambda: self.now,
            kill=lambda pid, number: self.killed.append((pid, number)),
        )
        self._beats = count(1)

    def beat(self) -> None:
        self.file.touch()
        os.utime(self.file, ns=(0, next(self._beats)))  # another node's clock

    def pass_by(self, seconds: float) -> None:
        """Time in which the driver looks every second."""
        for _ in range(int(seconds)):
            self.now += 1
            self.watch.look()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path / "heartbeat")
    scene.watch.began(0, 11, scene.file)
    return scene


def test_a_first_epoch_may_take_for_ever_while_it_beats(scene: Scene) -> None:
    for _ in range(200):
        scene.beat()
        scene.pass_by(50)
    assert not scene.killed


def test_short_epochs_before_do_not_make_a_long_one_late(scene: Scene) -> None:
    """A test pass after epochs of a second, or a configuration that costs 900 times as much."""
    for _ in range(10):
        scene.pass_by(1)
        scene.watch.heard(0)
    for _ in range(20):
        scene.beat()
        scene.pass_by(50)
    assert not scene.killed


@pytest.mark.parametrize("heard", ["nothing", "message", "beat"])
def test_silence_is_killed_once(scene: Scene, heard: str) -> None:
    scene.pass_by(5)
    if heard == "message":
        scene.watch.heard(0)
    elif heard == "beat":
        scene.beat()
        scene.pass_by(1)
    scene.pass_by(SILENCE - (5 if heard == "nothing" else 0))
    assert not scene.killed
    scene.pass_by(100)
    assert scene.killed == [(11, signal.SIGKILL)]
    assert scene.watch.ended(0) == "its worker was silent for 60 s"


def test_a_worker_may_pause_ten_times_as_long_as_any_that_went_on(scene: Scene) -> None:
    scene.pass_by(SILENCE - 10)
    scene.watch.heard(0)
    scene.pass_by(10 * (SILENCE - 10))
    assert not scene.killed
    scene.pass_by(10)
    assert scene.killed == [(11, signal.SIGKILL)]
    assert scene.watch.ended(0) == "its worker was silent for 500 s"


def test_a_file_of_an_earlier_worker_is_no_beat(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "heartbeat")
    scene.beat()
    scene.watch.began(0, 11, scene.file)
    scene.pass_by(SILENCE + 1)
    assert scene.killed


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_a_clock_that_jumps_makes_nobody_late(scene: Scene, jump: float) -> None:
    scene.pass_by(1)
    scene.now += jump
    scene.watch.look()
    assert not scene.killed
    assert LONGEST_TICK < SILENCE


def test_a_worker_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError

    times = iter(range(1000))
    clock: Callable[[], float] = lambda: float(next(times))  # noqa: E731
    watch = Watch(1, clock=clock, kill=gone)
    watch.began(0, 11, tmp_path / "heartbeat")
    for _ in range(20):
        watch.look()
    assert watch.ended(0) == "its worker was silent for 1 s"
    assert watch.ended(7) == ""


# -- the worker's side ---------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock for heartbeats that a test moves."""
    time = SimpleNamespace(now=1.0)
    monkeypatch.setattr(heartbeat, "time", SimpleNamespace(monotonic=lambda: time.now))
    return time


def test_a_heartbeat_touches_its_file_once_a_second(tmp_path: Path, clock: Any) -> None:
    file = tmp_path / "heartbeat"
    beat = Heartbeat(file)
    assert last_beat(file) is None
    beat()
    os.utime(file, ns=(0, 5))
    clock.now += 0.5
    beat()
    assert last_beat(file) == 5
    clock.now += 0.5
    beat()
    assert last_beat(file) != 5
    beat.stop()
    assert last_beat(file) is None


def test_a_folder_that_is_gone_does_not_stop_the_work(tmp_path: Path) -> None:
    beat = Heartbeat(tmp_path / "gone" / "heartbeat")
    beat()
    beat.stop()


def test_a_worker_beats_at_every_batch_of_training_validation_and_test(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in epochs that were reported before, of which it tells nothing."""
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN_BEATS", 0.0)
    beats: list[Path] = []
    monkeypatch.setattr(Path, "touch", lambda path, **options: beats.append(path))
    config = TrainConfig(depth=10, width=1, epochs=2, batch_size=256)
    data = prepare("digits", data_dir)
    task = Task(0, config.to_dict(), {}, str(data), str(tmp_path / "00000"), 2)
    (only,) = train_task(task)
    assert isinstance(only, Completed)
    meta, arrays = load_prepared(data)
    split = split_indices(arrays["train_labels"], config.val_fraction, config.split_seed)
    sizes = [*map(len, split)]
    training, validation, test = (-(-n // 256) for n in (*sizes, meta.shapes["test_images"][0]))
    assert beats == [tmp_path / "00000" / "heartbeat"] * (2 * (training + validation) + test)
