"""Fixtures of the search's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import optuna
import pytest
from optuna.study import Study

from spaces.space import ResolvedSpace
from tests.search.desk import Desks, small_space
from tests.search.in_process import search_here


@pytest.fixture
def make_space() -> Callable[..., ResolvedSpace]:
    return small_space


@pytest.fixture(scope="session")
def in_process() -> Callable[..., Study]:
    return search_here


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Desks]:
    desks = Desks(tmp_path)
    with desks.leases:
        yield desks


@pytest.fixture(autouse=True)
def quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="session", autouse=True)
def optunas_migrations() -> Iterator[None]:
    """Read once: Optuna does so whenever a database is opened, and hundreds are opened here."""
    from optuna.storages._rdb.storage import _VersionManager

    read = cache(lambda: made(_VersionManager.__new__(_VersionManager)))
    made = _VersionManager._create_alembic_script
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_VersionManager, "url", "", raising=False)
        patch.setattr(_VersionManager, "_create_alembic_script", lambda manager: read())
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data of this session's tests."""
    return tmp_path_factory.mktemp("prepared")


def tree(folder: Path) -> dict[str, int]:
    """Every file and folder below, with its size."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*")}


@pytest.fixture
def tree_of() -> Callable[[Path], dict[str, int]]:
    return tree
