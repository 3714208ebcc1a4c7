"""Where things lie: any name has a folder of its own, any folder a database."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from search.common.layout import StudyFolder, safe_name
from search.common.locations import default_storage
from search.storage.lease import Lease
from search.storage.storage import open_storage


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a%b", "50 %", "ä #1", "a@b:c", "plain"])
def test_the_default_database_lies_in_the_results_folder(tmp_path: Path, name: str) -> None:
    results = tmp_path / name
    optuna.create_study(storage=open_storage(default_storage(results)))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.name for path in results.iterdir()] == ["studies.db"]


def test_long_names_have_distinct_folders(tmp_path: Path) -> None:
    names = ["学" * 60, "学" * 61, "a" * 300, "a" * 299 + "b", "ä" * 128]
    folders = [StudyFolder(tmp_path, name) for name in names]
    for folder in folders:
        with Lease(folder):
            assert folder.drivers.is_dir()
    assert len({folder.path.name for folder in folders}) == len(names)
    assert all(len(folder.path.name.encode()) <= 255 for folder in folders)


@pytest.mark.parametrize(
    ("name", "folder"),
    [("a" * 255, "a" * 255), ("学" * 28, "%E5%AD%A6" * 28), ("wrn_sam-quick", "wrn_sam-quick")],
)
def test_names_that_fit_keep_their_folders(name: str, folder: str) -> None:
    assert safe_name(name) == folder
    assert safe_name("a" * 400) not in (safe_name(safe_name("a" * 400)), "a" * 255)
