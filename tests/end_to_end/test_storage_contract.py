"""Optuna's own contract for storages, over the one that a search writes to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage, get_storage
from optuna.testing.pytest_storages import StorageTestCase

from search.storage.database import StudyDatabase
from search.storage.storage import open_storage, write_often

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, which take longer to make than a case."""
    path = tmp_path_factory.mktemp("empty") / "studies.db"
    open_storage(f"sqlite:///{path}")
    return path


class TestStudyDatabase(StorageTestCase):
    @pytest.fixture(params=["as it is", "behind Optuna's cache"])
    def storage(
        self, request: pytest.FixtureRequest, empty: Path, tmp_path: Path
    ) -> Iterator[BaseStorage]:
        shutil.copy(empty, tmp_path)
        opened = open_storage(f"sqlite:///{tmp_path}/studies.db")
        write_often(opened)
        assert isinstance(opened, StudyDatabase)
        yield opened if request.param == "as it is" else get_storage(opened)
        opened.engine.dispose()
