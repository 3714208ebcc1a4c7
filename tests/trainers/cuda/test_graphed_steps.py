"""A training whose steps are replayed learns bit for bit what one does whose steps are run."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.trainers.cuda.fake_card import FakeCard
from tests.trainers.cuda.fake_tensors import fake_tensors
from tests.trainers.cuda.recorded_graph import RecordedGraph
from tests.trainers.curves import same_curve
from trainers.batches import Batches
from trainers.cuda.graphed_steps import WARM_UP, CudaGraph, GraphedSteps, why_eager
from trainers.cuda.step_program import as_taken
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.parallel.ranks import Ranks
from trainers.registry import OPTIMIZERS
from trainers.trainer import Trainer

MIB = 2**20
SIZE = 25  # 120 images to train on: 4 whole steps an epoch, and a smaller one
EPOCHS = 2
EVERYTHING = {
    "dropout": 0.3,
    "augment": "crop_flip_cutout",
    "crop_padding": 1,
    "cutout_size": 4,
    "loss": "smoothed_kl",
    "label_smoothing": 0.1,
    "clip_norm": 1.0,
    "ema_decay": 0.9,
    "schedule": "one_cycle",  # another rate in each step
    "warmup_epochs": 1,
    "lr": 0.3,  # no number of float32's
}
SETTINGS: dict[str, dict[str, Any]] = {
    **{f"{name}, everything": {**EVERYTHING, "optimizer": name} for name in OPTIMIZERS},
    "without momentum": {"momentum": 0.0, "schedule": "cosine"},
    "Nesterov's": {"nesterov": True, "augment": "flip"},
    "adaptive SAM": {"optimizer": "sam", "adaptive": True, "rho": 0.5},
}

Make = Callable[..., Trainer]


@pytest.fixture
def make(tiny_config, digits: ImageData) -> Make:
    """A trainer, by a graph if one is given."""

    def make(
        graph: Any = None, precision: str = "float32", size: int = SIZE, **changes: Any
    ) -> Trainer:
        config = tiny_config(batch_size=size, epochs=EPOCHS, **changes)
        trainer = Trainer(config, digits, Execution(precision=precision))
        if graph is not None:
            trainer.graphed = GraphedSteps(trainer.batches, size, 10, graph)
        return trainer

    return make


def trained(trainer: Trainer) -> Trainer:
    while not trainer.finished:
        trainer.train_epoch()
    return trainer


def assert_same(some: Trainer, other: Trainer) -> None:
    """Curves, weights, momenta, averages and the best weights."""
    assert same_curve(some.history, other.history)
    mine, others = some.state(), other.state()
    for part in ("model", "optimizer", "ema"):
        torch.testing.assert_close(mine.get(part), others.get(part), rtol=0, atol=0)
    torch.testing.assert_close(some.best_weights, other.best_weights, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "float32") for name in SETTINGS), ("sam, everything", "bfloat16")],
)
def test_replayed_as_run(name: str, precision: str, make: Make) -> None:
    graph = RecordedGraph()
    eager = trained(make(precision=precision, **SETTINGS[name]))
    replayed = trained(make(graph, precision, **SETTINGS[name]))
    assert_same(replayed, eager)
    assert graph.events.count("replay") == 4 * EPOCHS - WARM_UP


def test_captured_once_after_a_warm_up_that_is_training_too(make: Make) -> None:
    graph = RecordedGraph()
    trained(make(graph))
    replays = ["replay"] * (4 * EPOCHS - WARM_UP)
    warm_up = ["warm up", "forget peak", *["warm up"] * (WARM_UP - 1)]
    assert graph.events == [*warm_up, "capture", *replays]


def test_figures_of_more_steps_than_are_kept(make: Make, monkeypatch) -> None:
    """A step's logits are read before a later one is written over them."""
    monkeypatch.setattr("trainers.evaluation.running_metrics.BATCHES_A_FLUSH", 3)
    assert_same(trained(make(RecordedGraph(), size=12)), trained(make(size=12)))


def test_resumed_as_uninterrupted(make: Make) -> None:
    setting = SETTINGS["sam, everything"]
    first = make(RecordedGraph(), **setting)
    first.train_epoch()
    second = make(**setting)
    second.load(first.state(), first.best_weights)
    second.graphed = GraphedSteps(second.batches, SIZE, 10, RecordedGraph())
    assert_same(trained(second), trained(make(**setting)))


def test_begun_eager_and_gone_on_with_by_a_graph(make: Make) -> None:
    """As a study does that began without."""
    first = make(**EVERYTHING)
    first.train_epoch()
    second = make(**EVERYTHING)
    second.load(first.state(), first.best_weights)
    second.graphed = GraphedSteps(second.batches, SIZE, 10, RecordedGraph())
    assert_same(trained(second), trained(make(**EVERYTHING)))


def test_without_memory_for_a_graph_steps_are_run(make: Make) -> None:
    graph = RecordedGraph(lack=1)
    assert_same(trained(make(graph)), trained(make()))
    assert set(graph.events) == {"warm up", "forget peak"}


def test_memory_goes_with_the_trainer(make: Make) -> None:
    """At once, not when garbage is next looked for: the next trial needs it."""
    graph = RecordedGraph()
    trainer = make(graph)
    trainer.train_epoch()
    gone = [weakref.ref(thing) for thing in (trainer, trainer.graphed, graph)]
    gc.collect()
    gc.disable()
    try:
        del trainer, graph
        assert [reference() for reference in gone] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("free", "reserved", "share", "ours"),
    [(10, 12, 1.0, 22), (10, 9, 1.0, 19), (10, 12, 0.2, 16), (10, 12, 0.25, 20)],
)
def test_memory_for_a_graph(card: FakeCard, free: int, reserved: int, share: float, ours) -> None:
    """In MiB: a step took 10 of 80; a graph takes as much, and so does what runs beside it."""
    sizes = {"free": free, "total": 80, "reserved": reserved, "peak_allocated": 10}
    for name, size in sizes.items():
        setattr(card, name, size * MIB)
    card.share = share
    torch.cuda.init()
    assert CudaGraph().lack_of_memory() == max(0, 20 - ours) * MIB


@pytest.mark.parametrize(("size", "whole"), [(17, 6), (119, 0)])
def test_a_batch_larger_than_the_others_is_run(make: Make, size: int, whole: int) -> None:
    """A single image that is left over joins the batch before it."""
    graph = RecordedGraph()
    assert_same(trained(make(graph, size=size)), trained(make(size=size)))
    assert graph.events.count("replay") == max(0, whole * EPOCHS - WARM_UP)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, ""),
        ({"optimizer": "sam_adamw", "clip_norm": 1.0, "ema_decay": 0.9, "dropout": 0.1}, ""),
        ({"policy": "trivialaugment"}, "the host draws the policy of each image"),
        ({"mixup": 0.2}, "the host draws how images are mixed"),
        ({"cutmix": 1.0}, "the host draws how images are mixed"),
        ({"model": "torchvision:resnet18", "depth": 34}, "what a network of another's asks"),
    ],
)
def test_what_cannot_be_captured(
    tiny_config, digits: ImageData, card, options, reason: str
) -> None:
    config = tiny_config(**options)
    with fake_tensors():
        batches = Batches(config, digits, torch.device("cuda"), channels_last=True)
    found = why_eager(config, batches)
    assert found.startswith(reason)
    assert bool(found) is bool(reason)


def test_where_nothing_can_be_captured(tiny_config, digits: ImageData, card, monkeypatch) -> None:
    config, device = tiny_config(), torch.device("cuda")
    ranks = Ranks()
    ranks.size = 2
    with fake_tensors():
        assert "processes" in why_eager(config, Batches(config, digits, device, True, ranks))
        assert "CPU" in why_eager(config, Batches(config, digits, torch.device("cpu"), True))
        card.free = 1
        assert "do not fit" in why_eager(config, Batches(config, digits, device, True))


@pytest.mark.parametrize("graph", [True, False])
def test_a_graph_is_taken_where_it_is_wanted_and_can_be(
    tiny_config, digits: ImageData, card, graph: bool
) -> None:
    execution = Execution("cuda", graph=graph)
    with fake_tensors():
        trainer = Trainer(tiny_config(), digits, execution)
        mixed = Trainer(tiny_config(mixup=0.5), digits, execution)
    assert (trainer.graphed is not None) is graph
    assert trainer.graph_status == ("not captured yet" if graph else "not asked for")
    assert mixed.graphed is None


def test_what_is_loaded_is_captured_anew(tiny_config, digits: ImageData, card) -> None:
    """Its momenta lie elsewhere in memory."""
    with fake_tensors():
        trainer = Trainer(tiny_config(), digits, Execution("cuda", graph=True))
        before = trainer.graphed
        trainer.load(trainer.state(), {})
    assert trainer.graphed is not None
    assert trainer.graphed is not before


def test_rates_are_the_same_numbers_with_a_graph_or_without(
    tiny_config, digits: ImageData, card
) -> None:
    """A GPU's fused optimisers take a number in double precision and a tensor in single."""
    with fake_tensors():
        trainer = Trainer(tiny_config(lr=0.3), digits, Execution("cuda"))
        next(trainer.epoch_in_steps())
        assert trainer.optimizer.lr == as_taken([0.3], trainer.device).item() != 0.3
    assert as_taken([0.3], torch.device("cpu")).item() == 0.3


def test_what_is_asked_of_torch(card: FakeCard) -> None:
    """The order that torch's notes on CUDA graphs give: a warm-up on the side stream, which waits
    for the one before it and is waited for; the capture there; replays."""
    made = CudaGraph()
    made.warm_up(lambda: card.said.append("work"))
    waits = ["stream 1 waits for 0", "on stream 1", "work", "on stream 0", "stream 0 waits for 1"]
    assert card.said == waits
    card.said.clear()
    made.capture(lambda: card.said.append("work"))
    made.replay()
    captured = ["on stream 1", "capture on 1", "work", "captured", "on stream 0"]
    assert card.said == ["cache emptied", *captured, "replay"]
