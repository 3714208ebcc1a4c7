"""Data parallel: two processes on shares of a batch train what one trains on the whole."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from search import train
from search.study.messages import Completed, EpochDone, Failed, Task
from search.workers.train_task import train_task
from tests.trainers.curves import same_curve
from trainers.config import TrainConfig
from trainers.data import prepare
from trainers.epoch_result import EpochResult
from trainers.execution import Execution
from trainers.failpoints import VARIABLE
from trainers.parallel.first_rank import FirstRank, RankError
from trainers.runs.history import read_history
from trainers.runs.training_run import TrainingRun

pytestmark = pytest.mark.slow

# A network without BatchNorm: it normalises each share by itself, so there the sums differ.
SETTING = {
    "model": "cnn200",
    "depth": 3,
    "batch_norm": False,
    "residual": False,
    "batch_size": 15,
    "epochs": 2,
    "lr": 0.05,
    "augment": "crop_flip",
    "crop_padding": 1,
    "val_fraction": 0.2,
}


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 images to train on, 18 each of 3 classes: batches of 15, 15, 15 and 9, shares uneven."""
    folder = tmp_path_factory.mktemp("ranks")
    random = np.random.default_rng(0)
    np.savez(
        folder / "made.npz",
        train_images=random.integers(0, 256, (66, 8, 8, 3), dtype=np.uint8),
        train_labels=np.arange(66) % 3,
        test_images=random.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8),
        test_labels=np.arange(9) % 3,
    )
    return prepare(folder / "made.npz", folder)


def training(data_folder: Path, folder: Path, processes: int, **options: object) -> TrainingRun:
    config = TrainConfig.from_mapping({**SETTING, **options})
    return TrainingRun(config, data_folder, Execution(processes=processes), folder)


Trained = tuple[TrainingRun, list[EpochResult]]


def trained(data_folder: Path, folder: Path, processes: int, optimizer: str) -> Trained:
    run = training(data_folder, folder, processes, optimizer=optimizer)
    return run, list(run.results())


@pytest.fixture(scope="module")
def sam(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two epochs with SAM in two processes."""
    return trained(data_folder, tmp_path_factory.mktemp("sam"), processes=2, optimizer="sam")


def test_after_trials_that_ended_early_the_next_one_works(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other process dies too, but when all is trained, which costs nothing."""

    def parallel(name: str) -> TrainingRun:
        return training(data_folder, tmp_path / name, processes=2)

    def fail(*args: object) -> None:
        raise RuntimeError("no such network")

    monkeypatch.setenv(VARIABLE, f"rank started:1:{tmp_path / 'killed at its start'}")
    with pytest.raises(RankError, match=r"^process 1 of 2 was killed by signal 9$"):
        parallel("killed")
    monkeypatch.setenv(VARIABLE, f"rank finished:1:{tmp_path / 'killed at its end'}")
    with monkeypatch.context() as patch:
        patch.setattr("trainers.runs.training_run.Trainer", fail)
        with pytest.raises(RuntimeError, match=r"^no such network$"):
            parallel("no network")
    parallel("given up")  # never trained, never closed
    assert [result.epoch for result in parallel("next").results()] == [1, 2]
    assert sum(path.name.startswith("killed at") for path in tmp_path.iterdir()) == 2


def test_what_another_process_raised_is_said(data_folder: Path, tmp_path: Path) -> None:
    config = TrainConfig.from_mapping(SETTING)
    ranks = FirstRank(config, tmp_path / "missing", Execution(processes=2), tmp_path)
    with pytest.raises(RankError, match=r"^process 1 of 2: DataError: .*missing"), ranks.guarded():
        ranks.total(torch.ones(1))  # waits for the other one


@pytest.mark.parametrize("optimizer", ["sgd", "sam"])
def test_two_processes_equal_one(
    optimizer: str, sam: Trained, data_folder: Path, tmp_path: Path
) -> None:
    alone_run, one = trained(data_folder, tmp_path / "1", 1, optimizer)
    shared_run, two = sam if optimizer == "sam" else trained(data_folder, tmp_path / "2", 2, "sgd")
    runs = [alone_run, shared_run]
    peaks = [run.usage()["peak_memory_mb"] for run in runs]
    assert sys.platform != "linux" or peaks[1] > peaks[0] + 50  # another Python with torch
    for alone, shared in zip(one, two, strict=True):
        assert shared.train_loss == pytest.approx(alone.train_loss, rel=1e-5)
        assert shared.train_loss_std == pytest.approx(alone.train_loss_std, rel=1e-3)
        assert shared.train_top1 == alone.train_top1
        assert shared.val_loss == pytest.approx(alone.val_loss, rel=1e-5)
        assert shared.val_top1 == alone.val_top1
    states = [run.trainer.model.state_dict() for run in runs]
    for name, weights in states[0].items():
        np.testing.assert_allclose(states[1][name], weights, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_parallel_run_goes_on_where_it_was_cut_off(
    sam: Trained, data_folder: Path, tmp_path: Path
) -> None:
    cut = training(data_folder, tmp_path, processes=2, optimizer="sam").results()
    next(cut)
    cut.close()
    again = training(data_folder, tmp_path, processes=2, optimizer="sam")
    assert len(again.trainer.history) == 1
    assert same_curve(list(again.results()), sam[1])


def test_a_data_parallel_trial_that_loses_a_process_fails_and_the_workers_next_one_completes(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"rank trained:1:{tmp_path / 'killed'}")
    config = TrainConfig.from_mapping(SETTING).to_dict()
    lost, well = (
        list(
            train_task(Task(n, config, {"processes": 2}, str(data_folder), str(tmp_path / str(n))))
        )
        for n in (1, 2)
    )
    ending = lost[-1]
    assert isinstance(ending, Failed)
    assert ending.reason == "RankError: process 1 of 2 was killed by signal 9"
    assert [type(message) for message in well] == [EpochDone, EpochDone, Completed]


def test_two_processes_from_the_command_line(tmp_path: Path) -> None:
    small = ["--space", "lenet_batch", "--preset", "quick", "--threads", "1", "--epochs", "1"]
    places = ["--data-dir", str(tmp_path)]
    for name, more in (("shared", ["--processes", "2"]), ("alone", [])):
        assert train.main([*small, *places, "--out", str(tmp_path / name), *more]) == 0
    (shared,), (alone,) = (read_history(tmp_path / name) for name in ("shared", "alone"))
    assert shared["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)
