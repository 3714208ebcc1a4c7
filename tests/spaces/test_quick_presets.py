"""Each space's quick preset, trained for an epoch on a part of its own data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spaces import SPACES, named_space
from trainers.config import TrainConfig
from trainers.data import ImageData, open_prepared, prepare
from trainers.execution import Execution
from trainers.trainer import Trainer

IMAGES = 160


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def part_of(data: ImageData) -> ImageData:
    """The first images of each class."""
    each = IMAGES // data.num_classes
    members = [torch.nonzero(data.train_labels == label)[:each, 0] for label in range(10)]
    chosen = torch.cat(members)
    return replace(
        data, train_images=data.train_images[chosen], train_labels=data.train_labels[chosen]
    )


@pytest.mark.parametrize("name", SPACES)
def test_an_epoch_of_the_quick_preset(name: str, data_dir: Path) -> None:
    space = named_space(name).at("quick")
    data = part_of(open_prepared(prepare(space.preset.dataset, data_dir)))
    config = TrainConfig.from_mapping({**space.recipe, "batch_size": 40})
    trainer = Trainer(config, data, Execution())
    result = trainer.train_epoch()
    assert result.epoch == 1
    assert result.lr == pytest.approx(space.recipe["lr"])
    assert 0 < result.train_loss < 100


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_the_quick_preset_learns(name: str, data_dir: Path) -> None:
    """At a rate that suits every network (at the recipe's own, ResNet-50 takes epochs to settle
    and the small CNN to move) the loss falls by more than noise."""
    space = named_space(name).at("quick")
    data = part_of(open_prepared(prepare(space.preset.dataset, data_dir)))
    config = TrainConfig.from_mapping({**space.recipe, "batch_size": 16, "lr": 0.01})
    trainer = Trainer(config, data, Execution())
    results = [trainer.train_epoch() for _ in range(3)]
    assert results[-1].train_loss < 0.95 * results[0].train_loss
