"""Fixtures of the fault tests: drivers in child processes, and the study none of them disturbed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import optuna
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # child processes import ``driving`` by its name

import driving

TEN = ("--n-trials", "10", "--epochs", "4")
ONE_OF_TWO = ("--set", "lr=0.05", "--set", "batch_size=256")  # only the optimiser varies
OWN_CODE = Path(__file__).parents[2] / "docs" / "own_code"
OWN = ("--study-name", "tiny-quick", "--preset", "auto", "--precision", "auto")
FLAGS: dict[str, tuple[str, ...]] = {
    "trained": ("--n-trials", "4"),
    "own loop in NumPy": (
        *("--space", str(OWN_CODE / "sgd.py"), *OWN),
        *("--n-trials", "5", "--epochs", "4", "--confirm", "1", "--confirm-seeds", "2"),
    ),
    "own loop in torch": (
        *("--space", str(OWN_CODE / "vit.py"), *OWN),
        *("--n-trials", "3", "--epochs", "3", "--set", "dim=16", "--no-confirm"),
    ),
    "promoted": ("--n-trials", "10", "--epochs", "9", "--pruner", "promotion"),
    "budgeted": ("--epoch-budget", "60", "--epochs", "9", "--pruner", "promotion"),
    "raised": ("--epochs", "9", "--pruner", "promotion"),
    "confirmed": ("--n-trials", "6", "--epochs", "2", "--confirm", "2", "--confirm-seeds", "3"),
    "copied": ("--n-trials", "6", "--epochs", "4", *ONE_OF_TWO),
}

# Children are forked from a server that has imported what is slow to import, once.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "trainers.runs.training_run",
        "search.settings.check_data",
        "search.study.trial_runner",
        "search.settings.open_study",
        "search.run",
        "search.workers.train_task",
        "optuna.samplers._tpe.sampler",
        "optuna.storages._rdb.storage",
        "sqlalchemy.dialects.sqlite",
    ]
)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def start(data_dir: Path) -> Callable[..., BaseProcess]:
    """Starts a driver on the study in a folder; ``kill_at`` is a fault point and which passing."""

    def start_it(folder: Path, work: str, kill_at: str = "", *flags: str) -> BaseProcess:
        mark = f"{kill_at}:{folder}/killed" if kill_at else ""
        folder.mkdir(parents=True, exist_ok=True)
        arguments = (folder, data_dir, work, (*FLAGS.get(work, TEN), *flags), mark)
        process = PROCESSES.Process(target=driving.drive, args=arguments)
        process.start()
        return process

    return start_it


@pytest.fixture
def run(start: Callable[..., BaseProcess]) -> Callable[..., bool]:
    """Runs a driver to its end; True if it was killed on the way."""

    def run_it(folder: Path, work: str, kill_at: str = "", *flags: str) -> bool:
        process = start(folder, work, kill_at, *flags)
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode != 0

    return run_it


def read_study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name="tiny-quick", storage=f"sqlite:///{folder}/studies.db")


@pytest.fixture
def snapshot() -> Callable[[Path], Any]:
    return lambda folder: driving.snapshot(read_study(folder))


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, data_dir: Path
) -> Callable[..., list[dict[str, Any]]]:
    """The study that nothing killed, by the kind of work; made once."""
    known: dict[tuple[str, ...], list[dict[str, Any]]] = {}

    def of(work: str, *flags: str) -> list[dict[str, Any]]:
        if (work, *flags) not in known:
            folder = tmp_path_factory.mktemp(work)
            arguments = (folder, data_dir, work, (*FLAGS.get(work, TEN), *flags), "")
            process = PROCESSES.Process(target=driving.drive, args=arguments)
            process.start()
            process.join()
            assert process.exitcode == 0
            known[(work, *flags)] = driving.snapshot(read_study(folder))
        return known[(work, *flags)]

    return of


@pytest.fixture
def kills() -> int:
    """How many random kills a test tries: SHARPSEARCH_KILLS, 50 by default."""
    return int(os.environ.get("SHARPSEARCH_KILLS", "50"))
