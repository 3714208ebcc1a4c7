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
from search.workers import watchdog
from search.workers.train_task import train_task
from search.workers.watchdog import (
    LONGEST_TICK,
    SECONDS_BETWEEN_REMOTE_LOOKS,
    Heartbeat,
    RemoteHeartbeats,
    Watchdog,
    last_beat,
)
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
        self.watchdog = Watchdog(
            SILENCE,
            clock=lambda: self.now,
            kill=lambda pid, number: self.killed.append((pid, number)),
        )
        self._beats = count(1)

    def beat(self) -> None:
        self.file.touch()
        os.utime(self.file, ns=(0, next(self._beats)))  # another node's clock

    def pass_by(self, seconds: float) -> list[str]:
        """Time in which the driver looks every second, and what the watchdog says in it."""
        said = []
        for _ in range(int(seconds)):
            self.now += 1
            said.append(self.watchdog.look())
        return [text for text in said if text]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path / "heartbeat")
    scene.watchdog.began(0, 11, scene.file)
    return scene


def test_a_first_epoch_may_take_for_ever_while_it_beats(scene: Scene) -> None:
    for _ in range(200):
        scene.beat()
        scene.pass_by(50)
    assert not scene.killed


@pytest.mark.parametrize("heard", ["nothing", "message", "beat"])
def test_silence_is_killed_once(scene: Scene, heard: str) -> None:
    scene.pass_by(5)
    if heard == "message":
        scene.watchdog.heard(0)
    elif heard == "beat":
        scene.beat()
        scene.pass_by(1)
    scene.pass_by(SILENCE - (5 if heard == "nothing" else 0))
    assert not scene.killed
    scene.pass_by(100)
    assert scene.killed == [(11, signal.SIGKILL)]
    assert scene.watchdog.ended(0) == "its worker was silent for 60 s"


def test_a_worker_may_pause_ten_times_as_long_as_any_that_went_on(scene: Scene) -> None:
    scene.pass_by(SILENCE - 10)
    scene.watchdog.heard(0)
    scene.pass_by(10 * (SILENCE - 10))
    assert not scene.killed
    scene.pass_by(10)
    assert scene.killed == [(11, signal.SIGKILL)]
    assert scene.watchdog.ended(0) == "its worker was silent for 500 s"


def test_a_file_of_an_earlier_worker_is_no_beat(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "heartbeat")
    scene.beat()
    scene.watchdog.began(0, 11, scene.file)
    scene.pass_by(SILENCE + 1)
    assert scene.killed


@pytest.mark.parametrize("jump", [1e9, -1e9])
def test_a_clock_that_jumps_makes_nobody_late(scene: Scene, jump: float) -> None:
    scene.pass_by(1)
    scene.now += jump
    scene.watchdog.look()
    assert not scene.killed
    assert LONGEST_TICK < SILENCE


def test_it_is_said_when_no_epoch_has_come_for_long(scene: Scene) -> None:
    """With the load, each time after twice the wait; what epochs take is long for none."""
    said = scene.pass_by(119)
    assert not said
    said = scene.pass_by(600)
    assert [text.partition(":")[0] for text in said] == [
        f"no epoch has come for {wait}" for wait in ("2 min 00 s", "4 min 00 s", "8 min 00 s")
    ]
    assert "1 worker(s) at work, this machine's load is" in said[0]
    scene.watchdog.epoch()
    assert not scene.pass_by(3 * 719 - 1)
    assert len(scene.pass_by(2)) == 1


def test_a_worker_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError

    times = iter(range(1000))
    clock: Callable[[], float] = lambda: float(next(times))  # noqa: E731
    guard = Watchdog(1, clock=clock, kill=gone)
    guard.began(0, 11, tmp_path / "heartbeat")
    for _ in range(20):
        guard.look()
    assert guard.ended(0) == "its worker was silent for 1 s"
    assert guard.ended(7) == ""


# -- the worker's side ---------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock for heartbeats that a test moves."""
    time = SimpleNamespace(now=1.0)
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: time.now))
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
    monkeypatch.setattr(watchdog, "SECONDS_BETWEEN_BEATS", 0.0)
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


# -- heartbeats on another node's disk -----------------------------------------------------------

FILE = Path("/node/heartbeat")


class Node:
    """Answers a look when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks: list[tuple[str, Path]] = []
        self.answers: dict[int, int | None] = {}
        self.beats = RemoteHeartbeats(self.look, lambda: self.now)

    def look(self, node: str, file: Path) -> Callable[[], int | None]:
        self.looks.append((node, file))
        number = len(self.looks)
        return lambda: self.answers.get(number)


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_beat_is_told_when_the_look_has_come_back(node: Node) -> None:
    assert node.beats("far", FILE) is None
    assert node.beats("far", FILE) is None
    node.answers[1] = 111
    assert node.beats("far", FILE) == 111
    assert node.looks == [("far", FILE)]


def test_the_next_look_is_a_while_later(node: Node) -> None:
    node.answers[1], node.answers[2] = 111, 222
    node.beats("far", FILE)
    node.now = SECONDS_BETWEEN_REMOTE_LOOKS - 1
    assert node.beats("far", FILE) == 111
    node.now = SECONDS_BETWEEN_REMOTE_LOOKS
    assert node.beats("far", FILE) == 111
    assert node.beats("far", FILE) == 222
    assert len(node.looks) == 2


def test_a_worker_that_beats_on_its_node_is_left_alone_and_a_silent_one_is_not(
    node: Node,
) -> None:
    killed: list[tuple[str, int]] = []
    guard = Watchdog(
        600.0, lambda: node.now, remote=node.beats, kill_on=lambda *who: killed.append(who)
    )
    guard.began(0, 41, FILE, "far")
    for second in range(0, 3600, 2):
        node.now = float(second)
        node.answers[len(node.looks)] = second
        guard.look()
    assert not killed
    for second in range(3600, 4800, 2):
        node.now = float(second)
        node.answers[len(node.looks)] = 3598
        guard.look()
    assert killed == [("far", 41)]
