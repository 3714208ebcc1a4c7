"""Each space's quick preset, trained for an epoch on a part of its own data."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from spaces import SPACES, named_space
from tests.trainers.cuda.recorded_graph import RecordedGraph
from tests.trainers.curves import same_curve
from trainers.config import TrainConfig
from trainers.cuda.graphed_steps import GraphedSteps
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
    config = TrainConfig.from_mapping({**space.baseline, "batch_size": 40})
    trainer = Trainer(config, data, Execution())
    result = trainer.train_epoch()
    assert result.epoch == 1
    assert result.lr == pytest.approx(space.baseline["lr"])
    assert 0 < result.train_loss < 100


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_its_steps_may_be_one_graph(name: str, data_dir: Path) -> None:
    """Replayed, they learn bit for bit what they do one by one."""
    space = named_space(name).at("quick")
    data = part_of(open_prepared(prepare(space.preset.dataset, data_dir)))
    config = TrainConfig.from_mapping({**space.baseline, "batch_size": 20})
    eager, replayed = (Trainer(config, data, Execution()) for _ in range(2))
    graph = RecordedGraph()
    replayed.graphed = GraphedSteps(replayed.batches, 20, data.num_classes, graph)
    for trainer in (eager, replayed):
        trainer.train_epoch()
    assert graph.events.count("replay") >= 3
    assert same_curve(replayed.history, eager.history)
    weights, others = (trainer.model.state_dict() for trainer in (eager, replayed))
    torch.testing.assert_close(weights, others, rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_the_quick_preset_learns_a_batch_by_heart(name: str, data_dir: Path) -> None:
    """At a small rate the loss on the same images falls with every step, whatever the rounding."""
    space = named_space(name).at("quick")
    data = open_prepared(prepare(space.preset.dataset, data_dir))
    config = TrainConfig.from_mapping({**space.baseline, "batch_size": 40, "lr": 0.01})
    trainer = Trainer(config, data, Execution())
    trainer.optimizer.lr = config.initial_lr
    images, labels = next(iter(trainer.batches.training(trainer.train_indices, 1)))
    losses = [float(trainer.step(images, labels)[0]) for _ in range(6)]
    assert all(later < loss for loss, later in pairwise(losses)), losses
