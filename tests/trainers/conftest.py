"""A few real digits, prepared as a trainer wants them, and the smallest setting worth training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from tests.trainers.cuda.fake_card import FakeCard, insert
from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared, prepare
from trainers.execution import Execution
from trainers.trainer import Trainer

TRAIN, TEST = 15, 5  # images of each digit
TINY = {"model": "wide_resnet", "depth": 10, "width": 1, "batch_size": 48, "epochs": 3}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tensors here are so small that a second thread only waits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 training and 50 test images of scikit-learn's digits: 8 x 8, grey, balanced."""
    digits = load_digits()
    members = [np.flatnonzero(digits.target == label) for label in range(10)]
    parts = {
        "train": np.concatenate([some[:TRAIN] for some in members]),
        "test": np.concatenate([some[TRAIN : TRAIN + TEST] for some in members]),
    }
    arrays = {}
    for split, chosen in parts.items():
        arrays[f"{split}_images"] = np.rint(digits.images[chosen] * (255 / 16)).astype(np.uint8)
        arrays[f"{split}_labels"] = digits.target[chosen].astype(np.int64)
    folder = tmp_path_factory.mktemp("digits")
    np.savez(folder / "few_digits.npz", **arrays)
    return prepare(folder / "few_digits.npz", folder)


@pytest.fixture(scope="session")
def digits(digits_folder: Path) -> ImageData:
    return open_prepared(digits_folder)


@pytest.fixture(scope="session")
def tiny_config():
    """Makes the smallest WideResNet's configuration, with ``changes``."""

    def make(**changes: Any) -> TrainConfig:
        return TrainConfig.from_mapping({**TINY, "val_fraction": 0.2, **changes})

    return make


@pytest.fixture
def tiny_trainer(tiny_config, digits: ImageData):
    """Makes a trainer of that configuration on the digits."""

    def make(data: ImageData = digits, **changes: Any) -> Trainer:
        return Trainer(tiny_config(**changes), data, Execution())

    return make


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> FakeCard:
    """A GPU that torch and NVML find here; what is computed on it goes through ``fake_tensors``."""
    card = FakeCard()
    insert(card, monkeypatch.setattr)
    return card
