"""What people search, each option by itself: it changes the training, and a run that was killed
after an epoch ends as an uninterrupted one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainers.curves import same_curve
from trainers.data import ImageData, prepare
from trainers.epoch_result import EpochResult
from trainers.execution import Execution
from trainers.runs.saved_model import read_saved
from trainers.runs.training_run import TrainingRun

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "adamw": {"optimizer": "adamw", "lr": 0.01},
    "sam_adamw": {"optimizer": "sam_adamw", "lr": 0.01},
    "warm-up": {"warmup_epochs": 1.5},
    "one-cycle": {"schedule": "one_cycle"},
    "clipping": {"clip_norm": 0.1},
    "mixup": {"mixup": 0.2},
    "cutmix": {"cutmix": 1.0},
    "both, smoothed": {"mixup": 0.2, "cutmix": 1.0, "loss": "smoothed_kl", "label_smoothing": 0.1},
    "randaugment": {"policy": "randaugment"},
    "trivialaugment": {"policy": "trivialaugment"},
    "average": {"ema_decay": 0.9},
    "smoothing": {"label_smoothing": 0.1},
}


@pytest.fixture(scope="module")
def few_digits(digits: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of each digit to train on and one to test: an epoch is two steps."""
    arrays = {
        "train_images": digits.train_images[::3],
        "train_labels": digits.train_labels[::3],
        "test_images": digits.test_images[::10],
        "test_labels": digits.test_labels[::10],
    }
    folder = tmp_path_factory.mktemp("few")
    np.savez(folder / "few.npz", **{name: value.numpy() for name, value in arrays.items()})
    return prepare(folder / "few.npz", folder)


@pytest.fixture(scope="module")
def open_run(tiny_config, few_digits: Path):
    """Opens the run of a named setting in ``folder``."""

    def make(name: str, folder: Path) -> TrainingRun:
        config = tiny_config(epochs=2, batch_size=40, **SETTINGS[name])
        return TrainingRun(config, few_digits, Execution(), folder)

    return make


@pytest.fixture(scope="module")
def plain(open_run, tmp_path_factory: pytest.TempPathFactory) -> list[EpochResult]:
    return list(open_run("plain", tmp_path_factory.mktemp("plain")).results())


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "plain"])
def test_changes_the_curve_and_resumes_exactly(name: str, open_run, plain, tmp_path: Path) -> None:
    whole = open_run(name, tmp_path / "whole")
    curve = list(whole.results())
    assert not same_curve(curve, plain)
    killed = open_run(name, tmp_path / "killed").results()
    next(killed)
    killed.close()
    resumed = open_run(name, tmp_path / "killed")
    assert len(resumed.trainer.history) == 1
    assert same_curve(list(resumed.results()), curve)
    assert resumed.problems == []
    assert whole.test().loss == resumed.test().loss
    weights = resumed.trainer.state()["model"]
    for key, value in whole.trainer.state()["model"].items():
        assert torch.equal(value, weights[key]), key


def test_the_average_is_what_is_validated_kept_and_tested(open_run, tmp_path: Path) -> None:
    run = open_run("average", tmp_path)
    last = list(run.results())[-1]
    trainer = run.trainer
    average, newest = trainer.evaluated.state_dict(), trainer.model.state_dict()
    assert not torch.equal(average["stem.weight"], newest["stem.weight"])
    assert trainer._validate().loss == last.val_loss
    best = read_saved(run.folder)
    assert best.epoch == trainer.best_epoch
    for key, value in trainer.best_weights.items():
        assert torch.equal(best.weights[key], value), key
    run.test()
    assert torch.equal(trainer.model.state_dict()["stem.weight"], best.weights["stem.weight"])
