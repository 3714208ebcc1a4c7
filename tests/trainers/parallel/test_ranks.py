"""Data parallel: two processes on shares of a batch train what one trains on the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.trainers.curves import same_curve
from trainers.batches import batch_bounds
from trainers.config import TrainConfig
from trainers.data import prepare
from trainers.execution import Execution
from trainers.parallel.ranks import Ranks
from trainers.runs.training_run import TrainingRun

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


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "sam"])
def test_two_processes_equal_one(optimizer: str, data_folder: Path, tmp_path: Path) -> None:
    config = TrainConfig.from_mapping({**SETTING, "optimizer": optimizer})
    runs = [
        TrainingRun(config, data_folder, Execution(processes=n), tmp_path / str(n)) for n in (1, 2)
    ]
    one, two = (list(run.results()) for run in runs)
    for alone, shared in zip(one, two, strict=True):
        assert shared.train_loss == pytest.approx(alone.train_loss, rel=1e-5)
        assert shared.train_loss_std == pytest.approx(alone.train_loss_std, rel=1e-3)
        assert shared.train_top1 == alone.train_top1
        assert shared.val_loss == pytest.approx(alone.val_loss, rel=1e-5)
        assert shared.val_top1 == alone.val_top1
    states = [run.trainer.model.state_dict() for run in runs]
    for name, weights in states[0].items():
        np.testing.assert_allclose(states[1][name], weights, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_a_parallel_run_goes_on_where_it_was_cut_off(data_folder: Path, tmp_path: Path) -> None:
    config = TrainConfig.from_mapping({**SETTING, "epochs": 3, "optimizer": "sam"})
    whole = TrainingRun(config, data_folder, Execution(processes=2), tmp_path / "whole")
    expected = list(whole.results())
    cut = TrainingRun(config, data_folder, Execution(processes=2), tmp_path / "cut").results()
    next(cut)
    cut.close()
    again = TrainingRun(config, data_folder, Execution(processes=2), tmp_path / "cut")
    assert same_curve(list(again.results()), expected)
    assert len(expected) == 3


def test_shares_cover_a_batch_once() -> None:
    shares = []
    for rank in range(3):
        ranks = Ranks()
        ranks.rank, ranks.size = rank, 3
        shares.append(ranks.share(10, 21))
    assert shares == [(10, 13), (13, 17), (17, 21)]


def test_no_share_of_the_last_batch_is_too_small() -> None:
    # 35 = 16 + 16 + 3: three images cannot give two processes two each.
    assert batch_bounds(35, 16, smallest=4) == [(0, 16), (16, 35)]
    assert batch_bounds(36, 16, smallest=4) == [(0, 16), (16, 32), (32, 36)]
