"""The write-ahead log: on while a driver works, folded into the file at the end."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.storage.optuna_internals import storage_of
from search.storage.sqlite import fold_log, is_local
from search.storage.storage import leave, open_storage, write_often


def journal_mode(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]
    finally:
        connection.close()


def open_for_writing(path: Path) -> Any:
    storage: Any = open_storage(f"sqlite:///{path}")
    write_often(storage)
    optuna.create_study(storage=storage)
    return storage


def test_a_driver_writes_ahead_and_a_reader_does_not(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    optuna.create_study(storage=open_storage(f"sqlite:///{path}"))
    assert journal_mode(path) == "delete"
    open_for_writing(path)
    assert journal_mode(path) == "wal"


def test_folded_it_is_one_plain_file_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    storage = open_for_writing(path)
    fold_log(storage.engine)
    assert journal_mode(path) == "delete"
    assert [file.name for file in tmp_path.iterdir()] == ["studies.db"]
    path.chmod(0o444)
    assert len(optuna.get_all_study_names(f"sqlite:///{path}")) == 1


@pytest.mark.parametrize("of", ["the storage", "the study"])
def test_a_driver_that_leaves_folds_its_log(tmp_path: Path, of: str) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/studies.db")
    write_often(storage)
    study = optuna.create_study(storage=storage)
    study.tell(study.ask(), 1.0)
    leave(storage if of == "the storage" else storage_of(study))
    assert [file.name for file in tmp_path.iterdir()] == ["studies.db"]
    assert journal_mode(tmp_path / "studies.db") == "delete"


def test_a_log_that_another_uses_is_left(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    storage = open_for_writing(path)
    other = sqlite3.connect(path)
    other.execute("SELECT count(*) FROM studies").fetchone()
    fold_log(storage.engine)
    assert journal_mode(path) == "wal"
    other.close()


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/home/me/results", True),
        ("/home/me/shared/results/a.db", False),
        ("/home/me/my shared\tfiles/a.db", False),
        ("/home/me/back\\slash/a.db", False),
        ("/var/x", True),
    ],
)
def test_network_file_systems_are_known_by_their_mount(
    tmp_path: Path, path: str, local: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n/dev/sdb /home xfs rw 0 0\nserver:/a /home/me/shared nfs4 rw 0 0\n"
        r"server:/b /home/me/my\040shared\011files nfs4 rw 0 0"
        "\n"
        r"server:/c /home/me/back\134slash nfs4 rw 0 0"
        "\n"
    )
    assert is_local(Path(path), mounts) is local


def test_without_a_list_of_mounts_a_disk_counts_as_local(tmp_path: Path) -> None:
    assert is_local(tmp_path, tmp_path / "none")
