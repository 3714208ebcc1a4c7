"""On a GPU, training waits for nothing and mixes no devices; shown without one, see
``fake_tensors``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.trainers.cuda.fake_tensors import (
    DOWNLOAD,
    UPLOAD,
    Watch,
    fake_tensors,
)
from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.evaluation.evaluation import logits_of, summary_of
from trainers.evaluation.running_metrics import RunningMetrics
from trainers.execution import Execution
from trainers.losses import make_loss
from trainers.models import MODELS, build_model
from trainers.trainer import Trainer

DEVICE = torch.device("cuda")
STEPS = 4
SMALL_DEPTH = {"wide_resnet": 10, "resnet": 18, "cnn200": 4, "resnet200": 10}
SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0.9, "dropout": 0.3},
    "sam": {
        "optimizer": "sam",
        "rho": 0.1,
        "adaptive": True,
        "loss": "smoothed_kl",
        "label_smoothing": 0.1,
        "augment": "crop_flip_cutout",
        "crop_padding": 1,
        "cutout_size": 4,
        "clip_norm": 1.0,
        "ema_decay": 0.9,
    },
    "adamw": {"optimizer": "adamw"},
    "mixed": {"mixup": 0.2, "cutmix": 1.0},
    "policy": {"policy": "randaugment"},
    "trivial": {"policy": "trivialaugment"},
}
EAGER = ("mixed", "policy", "trivial")  # they draw on the host


@pytest.fixture
def watch(card) -> Iterator[Watch]:
    """In tensors without contents, on a card that is not there."""
    with fake_tensors() as watch:
        yield watch


@pytest.fixture
def on_device(tiny_config, digits: ImageData, watch: Watch):
    """Makes a trainer on the GPU; a fifth of the 150 images is validation, 4 steps an epoch."""

    def make(graph: bool = False, **changes: Any) -> Trainer:
        trainer = Trainer(
            tiny_config(batch_size=30, **changes), digits, Execution("cuda", graph=graph)
        )
        watch.copies.clear()
        return trainer

    return make


def copies_a_step(trainer: Trainer, watch: Watch) -> list[dict[str, int]]:
    """What is copied until each step of an epoch is done; the first is from the epoch's start.
    The epoch's end is left out: there the figures are read."""
    found = []
    for _ in trainer.epoch_in_steps():
        found.append(dict(watch.copies))
        watch.copies.clear()
        if len(found) == STEPS:
            return found
    raise AssertionError(f"an epoch has {STEPS} steps")


@pytest.mark.parametrize("name", SETTINGS)
def test_no_step_waits(name: str, on_device, watch: Watch, monkeypatch) -> None:
    """Neither batch nor augmentation, both passes of SAM, update, average, nor the figures, which
    are worked out every two batches here."""
    monkeypatch.setattr("trainers.evaluation.running_metrics.BATCHES_A_FLUSH", 2)
    start, *steps = copies_a_step(on_device(**SETTINGS[name]), watch)
    assert steps == [{}] * (STEPS - 1)
    assert set(start) == {UPLOAD}
    assert start[UPLOAD] <= 6  # the epoch's order, and up to five draws of its augmentation


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in EAGER])
def test_no_step_that_is_captured_waits(name: str, on_device, watch: Watch) -> None:
    """The epoch begins with one copy more: that of its rates."""
    trainer = on_device(graph=True, **SETTINGS[name])
    start, *steps = copies_a_step(trainer, watch)
    assert trainer.graph_status == "captured"
    assert steps == [{}] * (STEPS - 1)
    assert set(start) == {UPLOAD}
    assert start[UPLOAD] <= 7


@pytest.mark.parametrize("model", MODELS)
def test_no_network_waits(model: str, watch: Watch) -> None:
    depth = {"depth": SMALL_DEPTH[model]} if model in SMALL_DEPTH else {}
    config = TrainConfig.from_mapping({"model": model, **depth})
    with torch.device(DEVICE):
        network = build_model(config.to_dict(), 10, 3, 32)
    images, labels = torch.ones(4, 3, 32, 32, device=DEVICE), torch.ones(4, device=DEVICE).long()
    make_loss(config)(network(images), labels).mean().backward()
    assert not watch.copies
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_images_that_do_not_fit_cost_one_copy_a_step(on_device, watch: Watch, card) -> None:
    card.free = 1
    trainer = on_device(augment="crop_flip", crop_padding=1)
    _, *steps = copies_a_step(trainer, watch)
    assert steps == [{UPLOAD: 1}] * (STEPS - 1)
    watch.copies.clear()
    split = trainer.batches.validation(trainer.val_indices)
    summary_of(trainer.model, split, trainer.loss, "float32")
    assert watch.copies == {UPLOAD: 1 + 1, DOWNLOAD: 1}  # the order; the only batch; the figures


def test_validation_and_test_wait_once_at_their_end(on_device, watch: Watch) -> None:
    trainer = on_device()
    trainer.batches.eval_batch = 7
    split = trainer.batches.validation(trainer.val_indices)
    summary_of(trainer.model, split, trainer.loss, "float32")
    assert watch.copies == {UPLOAD: 1, DOWNLOAD: 1}
    watch.copies.clear()
    logits_of(trainer.model, trainer.batches.test(), "float32")
    assert watch.copies == {DOWNLOAD: 1}


def test_figures_of_many_batches_wait_for_nothing(watch: Watch) -> None:
    metrics = RunningMetrics(make_loss(TrainConfig()))
    logits, labels = torch.zeros(8, 10, device=DEVICE), torch.zeros(8, dtype=int, device=DEVICE)
    for _ in range(130):
        metrics.add(logits, labels)
    metrics.add(logits[:3], labels[:3])
    rows = metrics.rows()
    assert rows.shape == (131, 4)
    assert not watch.copies
