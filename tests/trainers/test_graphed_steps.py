"""A training whose steps are replayed learns bit for bit what one does whose steps are run."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from tests.trainers.curves import same_curve
from tests.trainers.device_without_contents import OnDevice, Watch
from tests.trainers.recorded_graph import CannotCaptureError, RecordedGraph
from trainers.batches import Batches
from trainers.config import OPTIMIZERS
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.graphed_steps import WARM_UP, CudaGraph, GraphedSteps, why_eager
from trainers.parallel.ranks import Ranks
from trainers.step_program import as_taken
from trainers.trainer import Trainer

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
    assert graph.events == [*["warm up"] * WARM_UP, "capture", *replays]


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


def test_without_room_for_a_graph_steps_are_run(make: Make) -> None:
    graph = RecordedGraph(room=False)
    assert_same(trained(make(graph)), trained(make()))
    assert set(graph.events) == {"warm up"}


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
    ("free", "reserved", "fraction", "room"),
    [(10, 12, 1.0, True), (10, 9, 1.0, False), (10, 12, 0.2, False), (10, 12, 0.25, True)],
)
def test_room_for_a_graph(monkeypatch, free: int, reserved: int, fraction: float, room) -> None:
    """A step took 10 of 80; a graph takes as much, and so does what runs beside it."""
    functions = {
        "CUDAGraph": object,
        "Stream": object,
        "mem_get_info": lambda: (free, 80),
        "memory_reserved": lambda: reserved,
        "max_memory_allocated": lambda: 10,
        "get_per_process_memory_fraction": lambda: fraction,
    }
    for name, function in functions.items():
        monkeypatch.setattr(torch.cuda, name, function)
    assert CudaGraph().has_room() is room


@pytest.mark.parametrize(("size", "whole"), [(17, 6), (119, 0)])
def test_a_batch_larger_than_the_others_is_run(make: Make, size: int, whole: int) -> None:
    """A single image that is left over joins the batch before it."""
    graph = RecordedGraph()
    assert_same(trained(make(graph, size=size)), trained(make(size=size)))
    assert graph.events.count("replay") == max(0, whole * EPOCHS - WARM_UP)


class TestTheStandIn:
    """What a graph would do wrong, it does wrong."""

    def test_a_number_of_the_hosts_is_frozen(self) -> None:
        graph, total, rate = RecordedGraph(), torch.zeros(1), 0.0

        def work() -> None:
            total.add_(rate)

        rate = 1.0
        graph.capture(work)
        assert total == 0  # what is captured does not run
        rate = 5.0
        graph.replay()
        graph.replay()
        assert total == 2

    def test_a_result_that_was_kept_is_written_over(self) -> None:
        graph, value, kept = RecordedGraph(), torch.ones(2), []
        graph.capture(lambda: kept.append(value * 2))
        value.fill_(3)
        graph.replay()
        assert kept[0].tolist() == [6, 6]

    def test_a_tensor_that_takes_anothers_place_is_not_seen(self) -> None:
        graph, place = RecordedGraph(), {"value": torch.ones(1)}
        total = torch.zeros(1)
        graph.capture(lambda: total.add_(place["value"]))
        place["value"] = torch.full((1,), 7.0)
        graph.replay()
        assert total == 1

    def test_random_numbers_are_drawn_anew(self) -> None:
        graph, value = RecordedGraph(), torch.zeros(3)
        torch.manual_seed(1)
        expected = [torch.rand(3).tolist() for _ in range(2)]
        torch.manual_seed(1)
        graph.capture(lambda: value.copy_(torch.rand(3)))
        found = []
        for _ in range(2):
            graph.replay()
            found.append(value.tolist())
        assert found == expected

    def test_the_host_cannot_look(self) -> None:
        with pytest.raises(CannotCaptureError, match="_local_scalar_dense"):
            RecordedGraph().capture(lambda: float(torch.ones(1)))


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
def test_what_cannot_be_captured(tiny_config, digits: ImageData, options, reason: str) -> None:
    config = tiny_config(**options)
    batches = Batches(config, digits, torch.device("meta"), channels_last=True)
    found = why_eager(config, batches)
    assert found.startswith(reason)
    assert bool(found) is bool(reason)


def test_where_nothing_can_be_captured(tiny_config, digits: ImageData, monkeypatch) -> None:
    config, device = tiny_config(), torch.device("meta")
    ranks = Ranks()
    ranks.size = 2
    assert "processes" in why_eager(config, Batches(config, digits, device, True, ranks))
    assert "CPU" in why_eager(config, Batches(config, digits, torch.device("cpu"), True))
    monkeypatch.setattr("trainers.batches.fits", lambda size, device: False)
    assert "do not fit" in why_eager(config, Batches(config, digits, device, True))


def test_a_graph_is_taken_where_it_is_wanted_and_can_be(
    tiny_config, digits: ImageData, monkeypatch
) -> None:
    monkeypatch.setattr("trainers.graphed_steps.CudaGraph", RecordedGraph)

    def graphed(execution: Execution, **options: Any) -> bool:
        return Trainer(tiny_config(**options), digits, execution, OnDevice()).graphed is not None

    assert graphed(Execution(graph=True))
    assert not graphed(Execution())
    assert not graphed(Execution(graph=True), mixup=0.5)


def test_what_is_loaded_is_captured_anew(tiny_config, digits: ImageData, monkeypatch) -> None:
    """Its momenta lie elsewhere in memory."""
    monkeypatch.setattr("trainers.graphed_steps.CudaGraph", RecordedGraph)
    trainer = Trainer(tiny_config(), digits, Execution(graph=True), OnDevice())
    before = trainer.graphed
    trainer.load(trainer.state(), {})
    assert trainer.graphed is not None
    assert trainer.graphed is not before


def test_rates_are_the_same_numbers_with_a_graph_or_without(tiny_config, digits: ImageData) -> None:
    """A GPU's fused optimisers take a number in double precision and a tensor in single."""
    trainer = Trainer(tiny_config(lr=0.3), digits, Execution(), OnDevice())
    with Watch():
        next(trainer.epoch_in_steps())
    assert trainer.optimizer.lr == as_taken([0.3], trainer.device).item() != 0.3
    assert as_taken([0.3], torch.device("cpu")).item() == 0.3


def test_what_is_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order that torch's notes on CUDA graphs give: a warm-up on the side stream, which waits
    for the one before it and is waited for; the capture there; replays."""
    said: list[str] = []

    class Stream:
        def __init__(self, name: str = "side") -> None:
            self.name = name

        def wait_stream(self, other: Stream) -> None:
            said.append(f"{self.name} waits for {other.name}")

    class CUDAGraph:
        def replay(self) -> None:
            said.append("replay")

    @contextmanager
    def on(stream: Stream) -> Iterator[None]:
        said.append(f"on {stream.name}")
        yield
        said.append("back")

    @contextmanager
    def graph(graph: CUDAGraph, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        said.append(f"capture on {stream.name}")
        yield
        said.append("captured")

    stand_ins = {
        "Stream": Stream,
        "CUDAGraph": CUDAGraph,
        "stream": on,
        "graph": graph,
        "current_stream": lambda: Stream("current"),
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    made = CudaGraph()
    made.warm_up(lambda: said.append("work"))
    assert said == ["side waits for current", "on side", "work", "back", "current waits for side"]
    said.clear()
    made.capture(lambda: said.append("work"))
    made.replay()
    assert said == ["capture on side", "work", "captured", "replay"]
