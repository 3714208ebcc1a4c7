"""A heartbeat on another node's disk, looked at by a task there, which takes its time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.workers.remote_heartbeat import SECONDS_BETWEEN_LOOKS, FarBeats
from search.workers.watchdog import Watch

FILE = Path("/node/heartbeat")


class Node:
    """Answers a look when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks: list[tuple[str, Path]] = []
        self.answers: dict[int, int | None] = {}
        self.beats = FarBeats(self.look, self.answers.get, lambda: self.now)

    def look(self, node: str, file: Path) -> int:
        self.looks.append((node, file))
        return len(self.looks)


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
    node.now = SECONDS_BETWEEN_LOOKS - 1
    assert node.beats("far", FILE) == 111
    node.now = SECONDS_BETWEEN_LOOKS
    assert node.beats("far", FILE) == 111
    assert node.beats("far", FILE) == 222
    assert len(node.looks) == 2


def test_a_node_that_does_not_answer_is_silent(node: Node) -> None:
    for second in range(3 * int(SECONDS_BETWEEN_LOOKS)):
        node.now = float(second)
        assert node.beats("far", FILE) is None


def test_a_worker_that_beats_on_its_node_is_left_alone_and_a_silent_one_is_not(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[str, int]] = []
    monkeypatch.setattr("search.workers.watchdog.kill_there", lambda *who: killed.append(who))
    watch = Watch(600.0, lambda: node.now, os.kill, node.beats)
    watch.began(0, 41, FILE, "far")
    for second in range(0, 3600, 2):
        node.now = float(second)
        node.answers[len(node.looks)] = second
        watch.look()
    assert not killed
    for second in range(3600, 4800, 2):
        node.now = float(second)
        node.answers[len(node.looks)] = 3598
        watch.look()
    assert killed == [("far", 41)]
