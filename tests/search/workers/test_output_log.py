"""What a trial prints lies in its folder, of bounded size."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from search.study.messages import Completed, EpochDone, Message, Task
from search.workers import output_log
from search.workers.output_log import OutputLog
from search.workers.worker import MESSAGE, PLACES, TASK, make_worker


@contextmanager
def worker_streams() -> Iterator[None]:
    """Within: Python's streams write where the system has them, as in a worker."""
    with (
        pytest.MonkeyPatch.context() as patch,
        open(1, "w", buffering=1, closefd=False) as out,
        open(2, "w", buffering=1, closefd=False) as err,
    ):
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        yield


def talkative(task: Task) -> Iterator[Message]:
    print(f"trial {task.number} begins")
    print(warnings.formatwarning("lr=9 is unusual", UserWarning, "train.py", 1), file=sys.stderr)
    yield EpochDone({"epoch": 1})
    subprocess.run(["sh", "-c", "echo a child speaks; echo and complains >&2"], check=True)
    yield Completed({})


def silent(task: Task) -> Iterator[Message]:
    yield Completed({})


def played(work: Any, folder: Path) -> None:
    """Two trials in one warm worker."""
    tasks = [Task(n, {}, {}, "data", str(folder / f"{n:05d}")) for n in (0, 1)]
    with worker_streams():
        worker = make_worker(work)({TASK: tasks[0], PLACES: ()})
        for task in tasks:
            worker.reset_config({TASK: task, PLACES: ()})
            while not isinstance(worker.step()[MESSAGE], Completed):
                pass
        print("the worker is free")


def test_each_trials_output_lies_in_its_own_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    played(talkative, tmp_path)
    for number in (0, 1):
        text = (tmp_path / f"{number:05d}" / "output.log").read_text()
        assert text.startswith(f"trial {number} begins\n")
        assert "UserWarning: lr=9 is unusual" in text
        assert text.endswith("a child speaks\nand complains\n")
    assert capfd.readouterr().out == "the worker is free\n"


def test_a_trial_that_prints_nothing_leaves_no_file(tmp_path: Path) -> None:
    played(silent, tmp_path)
    assert list(tmp_path.glob("*/output.log")) == []


def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "output.log"
    with worker_streams(), OutputLog(file):
        for line in range(300_000):
            print(f"line {line}")
    text = file.read_text()
    assert len(text) <= output_log.MOST_BYTES
    assert text.startswith("line 0\nline 1\n")
    assert "left out" in text
    assert text.endswith("line 299998\nline 299999\n")


def test_a_trial_that_goes_on_appends(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with worker_streams(), OutputLog(tmp_path / "output.log"):
            print(text)
    assert (tmp_path / "output.log").read_text() == "first\nsecond\n"


def test_without_a_folder_the_trial_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with worker_streams(), OutputLog(tmp_path / "file" / "output.log"):
        print("to nobody's harm")
    assert capfd.readouterr().out == "to nobody's harm\n"
