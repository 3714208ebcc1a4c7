"""A trial whose folder lies at a URL: what it needs to resume is there before its report."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.common.file_store import RemoteFolder
from search.study.messages import Blocked, Completed, EpochDone, Task
from search.workers import folder_sync as working_folder
from search.workers.folder_sync import FolderSync, on_this_node
from search.workers.train_task import train_task
from trainers.config import TrainConfig
from trainers.data import prepare
from trainers.runs.checkpoint import read_checkpoint
from trainers.runs.history import read_history

CLOCKS = ("seconds", "val_seconds")
NAME = "study/trials/00007"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """Three epochs of a tiny network on a disk of its own."""
    folder = tmp_path_factory.mktemp("trial")
    config = TrainConfig(model="lenet", epochs=3, batch_size=256)
    data = prepare("digits32", folder)
    return Task(7, config.to_dict(), {"threads": 1}, str(data), str(folder / "disk"))


@pytest.fixture(scope="module")
def curve(task: Task) -> list[dict[str, Any]]:
    """Nothing interrupted it, and no URL was asked."""
    *epochs, _ = train_task(task)
    return [without_clocks(message) for message in epochs]


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there" / NAME


@pytest.fixture
def far_task(task: Task, there: Path, tmp_path: Path) -> Task:
    return replace(task, folder=str(tmp_path / "node"), url=f"file://{tmp_path}/there", name=NAME)


def without_clocks(message: Any) -> dict[str, Any]:
    assert isinstance(message, EpochDone)
    return {name: value for name, value in message.result.items() if name not in CLOCKS}


def epochs_there(there: Path) -> int:
    """That a trial which continues from there need not train again."""
    return len(read_checkpoint(there / "checkpoint.pt")["trainer"]["history"])


def test_an_epoch_is_told_when_it_can_be_gone_on_from(
    far_task: Task, there: Path, curve: list[dict[str, Any]]
) -> None:
    reported = []
    for message in train_task(far_task):
        if isinstance(message, EpochDone):
            reported.append(without_clocks(message))
            assert epochs_there(there) >= len(reported)
            assert len(read_history(there)) >= len(reported)
    assert isinstance(message, Completed)
    assert reported == curve
    assert {file.name for file in there.iterdir()} == {
        "best.pt",
        "checkpoint.pt",
        "history.csv",
        "test.json",
    }
    assert not Path(far_task.folder).exists()


@pytest.mark.parametrize("reported", [1, 2])
def test_on_another_node_it_goes_on_bit_for_bit(
    reported: int, far_task: Task, there: Path, tmp_path: Path, curve: list[dict[str, Any]]
) -> None:
    """The first node is gone with all that it had, after so many epochs were reported."""
    messages = train_task(far_task)
    for _ in range(reported):
        next(messages)
    shutil.copytree(there, tmp_path / "as it was")
    messages.close()  # type: ignore[attr-defined]
    shutil.rmtree(there)
    (tmp_path / "as it was").rename(there)
    trained = epochs_there(there)
    elsewhere = replace(far_task, folder=str(tmp_path / "other node"), reported=reported)
    *epochs, last = train_task(elsewhere)
    assert isinstance(last, Completed)
    assert trained >= reported
    assert [without_clocks(message) for message in epochs] == curve[reported:]


def test_after_its_end_nothing_is_sent_any_more(far_task: Task, there: Path) -> None:
    """A pruned trial's files may be removed there at once."""
    folder = Path(far_task.folder)
    folder.mkdir()
    sync = FolderSync(far_task, lambda: None)
    (folder / "history.csv").write_text("epoch\n1\n")
    sync.send()
    sync.close()
    (folder / "checkpoint.pt").write_text("later")
    sync.send()
    assert [file.name for file in there.iterdir()] == ["history.csv"]


def test_best_weights_are_sent_before_the_checkpoint_that_relies_on_them(
    far_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(RemoteFolder, "send", lambda remote, file, name: sent.append(name))
    folder = Path(far_task.folder)
    folder.mkdir()
    names = ["heartbeat", "checkpoint.pt", "best.pt", "checkpoint.previous.pt", "a.tmp"]
    for name in (*names, "history.csv"):
        (folder / name).write_text(name)
    sync = FolderSync(far_task, lambda: None)
    sync.send()
    assert sent == ["best.pt", "checkpoint.pt", "history.csv"]
    (folder / "history.csv").unlink()
    (folder / "history.csv").write_text("more")
    sync.send()
    assert sent == ["best.pt", "checkpoint.pt", "history.csv", "history.csv"]


def test_a_place_that_stays_away_blocks_the_trial(
    far_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the trial's doing: it stays resumable."""

    def fail(remote: RemoteFolder, file: Path, name: str) -> None:
        raise OSError("AWS Error NETWORK_CONNECTION during PutObject operation")

    monkeypatch.setattr(RemoteFolder, "send", fail)
    assert list(train_task(far_task)) == [
        Blocked("AWS Error NETWORK_CONNECTION during PutObject operation")
    ]


def test_each_process_works_in_a_folder_of_its_own_and_sweeps_dead_ones(
    far_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    here = on_this_node(far_task)
    root = Path(here.folder).parents[3]
    assert Path(here.folder) == root / str(os.getpid()) / NAME
    assert root.stat().st_mode & 0o777 == 0o700
    dead, alive = root / str(2**22 + 1), root / str(os.getppid())  # beyond the highest number
    dead.mkdir()
    alive.mkdir()
    on_this_node(far_task)
    assert alive.exists()
    assert not dead.exists()


def test_a_trial_on_a_disk_stays_in_its_folder(task: Task) -> None:
    assert on_this_node(task) == task
