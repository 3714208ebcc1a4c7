"""How far the host runs ahead of a GPU, and when it sees a loss."""

from __future__ import annotations

from threading import Event, current_thread, main_thread
from typing import Any

import pytest
import torch

from tests.trainers.cuda.fake_card import FakeCard
from tests.trainers.cuda.fake_tensors import fake_tensors
from trainers.batches import Batches, Drawn, draw_epoch
from trainers.cuda.run_ahead import RunAhead
from trainers.data import ImageData
from trainers.epoch_result import DivergedError
from trainers.execution import Execution
from trainers.trainer import Trainer

STEPS = 40  # an epoch of 120 images


def farthest(said: list[str]) -> int:
    """The most replays that were launched since the last event that was waited for."""
    marks: list[int] = []
    launched = waited = most = 0
    for word in said:
        launched += word == "replay"
        if word == "event recorded":
            marks.append(launched)
        if word == "waited":
            waited = marks[-3]  # the one two before it
        most = max(most, launched - waited)
    return most


def test_the_host_is_never_an_epoch_ahead(tiny_config, digits: ImageData, card: FakeCard) -> None:
    """Or the answer to an epoch would be heard when the next one is trained too."""
    with fake_tensors():
        trainer = Trainer(tiny_config(batch_size=3), digits, Execution("cuda", graph=True))
        card.said.clear()
        trainer.train_epoch()
    assert card.said.count("replay") == STEPS - 3
    assert farthest(card.said) <= 24


@pytest.mark.parametrize("graph", [True, False])
def test_an_exploded_loss_is_seen_in_the_midst_of_the_epoch(
    tiny_config, digits: ImageData, card: FakeCard, monkeypatch, graph: bool
) -> None:
    """That of step 8, at step 24."""
    steps = []
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: float("nan"))
    with fake_tensors():
        trainer = Trainer(tiny_config(batch_size=3), digits, Execution("cuda", graph=graph))
        with pytest.raises(DivergedError, match="diverged in epoch 1: training loss is nan"):
            steps.extend(trainer.epoch_in_steps())
    assert len(steps) == 23


def test_at_a_mark_the_loss_of_two_marks_before(card: FakeCard) -> None:
    """In the host's own memory, which the next step does not write to."""
    seen = {}
    with fake_tensors():
        ahead = RunAhead()
        for step in range(1, 42):
            loss = ahead.step(torch.tensor(float(step)))
            if loss is not None:
                seen[step] = loss
    assert seen == {24: 8, 32: 16, 40: 24}


def test_the_next_epoch_is_drawn_while_the_gpu_computes(
    tiny_config, digits: ImageData, card: FakeCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is the same as where it is drawn when it begins; none is drawn after the last."""
    config, indices = tiny_config(augment="crop_flip", crop_padding=1, epochs=2), torch.arange(150)
    expected = [draw_epoch(config, indices, 8, epoch) for epoch in (1, 2)]
    drawn, ahead = list[int](), Event()

    def noted(*arguments: Any) -> Drawn:
        drawn.append(arguments[-1])
        if current_thread() is not main_thread():
            ahead.set()
        return draw_epoch(*arguments)

    monkeypatch.setattr("trainers.batches.draw_epoch", noted)
    with fake_tensors():
        batches = Batches(config, digits, torch.device("cuda"), channels_last=True)
    found = [batches.drawn(indices, 1)]
    assert ahead.wait(60)
    found.append(batches.drawn(indices, 2))
    assert drawn == [1, 2]
    for (order, draws), (same_order, same_draws) in zip(found, expected, strict=True):
        assert torch.equal(order, same_order)
        assert torch.equal(draws.crop_top, same_draws.crop_top)
