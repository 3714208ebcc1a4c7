"""A worker stays warm from trial to trial, and no trial finds traces of the one before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from search.study.messages import Completed, Message, Task
from search.workers.worker import MESSAGE, PLACES, TASK, make_worker


def stray(task: Task) -> Iterator[Message]:
    """As a user's code may do it."""
    here = os.getcwd()
    os.chdir("/")
    yield Completed({"here": here})


def test_each_trial_begins_in_the_drivers_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    task = Task(0, {}, {}, "data", str(tmp_path / "00000"))
    worker = make_worker(stray)({TASK: task, PLACES: ()})
    for _ in range(2):
        worker.step()
        message = worker.step()[MESSAGE]
        assert message == Completed({"here": str(tmp_path)})
        worker.reset_config({TASK: task, PLACES: ()})
