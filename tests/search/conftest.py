"""Fixtures of the search's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.study import Study

from search.ledger.ledger import Ledger
from search.ledger.messages import EpochDone, Remark
from search.planning.check_data import check_data
from search.planning.decide import decide
from search.planning.open_study import find_record, open_study
from search.planning.request import make_request
from search.run import make_parser
from search.storage.lease import Lease
from search.storage.storage import open_storage
from search.workers.train_task import train_task
from spaces.space import ScaledSpace
from tests.search.desk import Desks, small_space
from trainers.data.prepare import prepare


@pytest.fixture
def make_space() -> Callable[..., ScaledSpace]:
    return small_space


def search_here(*flags: str) -> Study:
    """``python -m search.run`` with ``flags``, one trial at a time in this process."""
    import torch

    request = make_request(make_parser().parse_args(flags), "the tests")
    data = prepare(request.dataset, request.data_dir, image_size=request.image_size)
    meta = check_data(request, data)
    storage = open_storage(request.storage)
    plan, _ = decide(request, meta, data, find_record(request, storage), print)
    threads = torch.get_num_threads()
    with Lease(plan.folder) as lease:
        study = open_study(plan, storage, lease)
        ledger = Ledger(study, plan, lease, lambda event: None)
        while task := ledger.next_task():
            for message in train_task(task):
                assert not isinstance(message, Remark), message
                if not isinstance(message, EpochDone):
                    ledger.end(task.number, message)
                elif not ledger.report(task.number, message):
                    break
    torch.set_num_threads(threads)
    return study


@pytest.fixture(scope="session")
def in_process() -> Callable[..., Study]:
    return search_here


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Desks]:
    desks = Desks(tmp_path)
    with desks.leases:
        yield desks


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    """As ``open_desk``, for a study that several tests look at."""
    desks = Desks(tmp_path_factory.mktemp("desk"))
    with desks.leases:
        yield desks


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts Ray fails the test."""
    import ray

    monkeypatch.setattr(ray, "init", lambda **options: pytest.fail("Ray was started"))


@pytest.fixture(autouse=True)
def quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


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
