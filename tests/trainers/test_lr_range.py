"""The learning-rate range test against a plain loop, and its suggestion on curves made by hand."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from trainers.data import ImageData
from trainers.execution import Execution
from trainers.lr_range import (
    CURVE_CSV,
    CURVE_PNG,
    RangeCurve,
    Sweep,
    range_test,
    save_picture,
    steepest,
    write_curve,
)
from trainers.trainer import Trainer
from trainers.validators import ConfigError

SHORT = Sweep(1e-3, 0.1, 20)


def test_losses_are_those_of_a_plain_loop(tiny_config, digits: ImageData) -> None:
    config = tiny_config(lr=0.5, momentum=0.9, weight_decay=0.01)
    curve = range_test(config, digits, Execution(), SHORT)
    trainer = Trainer(config, digits, Execution())  # for its weights and its batches
    optimizer = torch.optim.SGD(trainer.model.parameters(), 1, 0.9, weight_decay=0.01)
    trainer.model.train()
    batches = [
        b for epoch in range(1, 8) for b in trainer.batches.training(trainer.train_indices, epoch)
    ]
    expected = []
    for step, (images, labels) in enumerate(batches[:20]):
        optimizer.param_groups[0]["lr"] = 1e-3 * 100 ** (step / 19)
        optimizer.zero_grad()
        loss = F.cross_entropy(trainer.model(images), labels)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert len(batches) > 20  # 120 images in batches of 48: the loop needs seven epochs
    assert curve.losses == pytest.approx(expected, rel=1e-4)
    assert curve.rates == pytest.approx([1e-3 * 100 ** (step / 19) for step in range(20)])


def test_the_loss_is_smoothed_from_its_first_value(tiny_config, digits: ImageData) -> None:
    curve = range_test(tiny_config(), digits, Execution(), SHORT)
    smoothed = curve.losses[0]
    for loss, found in zip(curve.losses, curve.smoothed, strict=True):
        smoothed += 0.05 * (loss - smoothed)
        assert found == pytest.approx(smoothed)


def test_it_stops_when_the_loss_explodes(tiny_config, digits: ImageData) -> None:
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    curve = range_test(tiny_config(), digits, Execution(), Sweep(1e-3, 1e6, 200), count)
    assert 17 < len(curve.rates) < 200
    assert steps == len(curve.rates) == len(curve.losses) == len(curve.smoothed)
    assert all(map(math.isfinite, curve.losses))


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = [10 ** (-5 + step / 20) for step in range(101)]
    fall = [2.3 - 1 / (1 + math.exp(-(step - 57) / 3)) for step in range(101)]
    assert steepest(rates, fall) == rates[57]
    # A drop within the first ten steps or the last five is passed over.
    edges = [3.0 if step < 3 else value for step, value in enumerate(fall)]
    edges[-2:] = [0.0, 0.0]
    assert steepest(rates, edges) == rates[57]


@pytest.mark.parametrize(
    "losses", [[2.0] * 40, [2.0 + 0.1 * step for step in range(40)], [2.0] * 3]
)
def test_no_suggestion_without_a_fall(losses: list[float]) -> None:
    assert steepest([10.0**step for step in range(len(losses))], losses) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"start": 0}, "start must be above 0, got 0"),
        ({"start": 0.1, "end": 0.1}, r"end must be above start, 0\.1, got 0\.1"),
        ({"steps": 16}, "steps must be at least 17, got 16"),
        ({"end": math.nan}, "end must be above 0, got nan"),
    ],
)
def test_wrong_sweeps_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sweep(**values)


def test_the_curve_on_disk(tmp_path: Path) -> None:
    curve = RangeCurve((0.001, 0.01), (2.5, 2.0), (2.5, 2.475), 0.01)
    write_curve(tmp_path / "new", curve)
    with open(tmp_path / "new" / CURVE_CSV, newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [
        {"lr": 0.001, "loss": 2.5, "smoothed_loss": 2.5},
        {"lr": 0.01, "loss": 2.0, "smoothed_loss": 2.475},
    ]


@pytest.mark.parametrize("suggestion", [0.01, None])
def test_the_curve_as_a_picture(tmp_path: Path, suggestion: float | None) -> None:
    curve = RangeCurve((0.001, 0.01), (2.5, 2.0), (2.5, 2.475), suggestion)
    save_picture(tmp_path, curve)
    assert (tmp_path / CURVE_PNG).read_bytes().startswith(b"\x89PNG")
