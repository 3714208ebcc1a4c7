"""Losses against torch's own and against explicit targets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from trainers.config import TrainConfig
from trainers.losses import chance_loss, is_exploded, make_loss, smoothed_kl


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(32, 7, generator=generator, dtype=torch.float64).mul(3).float()
    return logits, torch.randint(7, (32,), generator=generator)


def explicit_target(labels: Tensor, classes: int, smoothing: float) -> Tensor:
    """1 − ε on the label, ε/(K − 1) elsewhere, written out."""
    target = torch.full((len(labels), classes), smoothing / (classes - 1), dtype=torch.float64)
    for row, label in enumerate(labels.tolist()):
        target[row, label] = 1 - smoothing
    return target


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_smoothed_kl_is_the_divergence_from_the_smoothed_target(batch, smoothing) -> None:
    logits, labels = batch
    log_p = F.log_softmax(logits.double(), dim=1)
    expected = F.kl_div(log_p, explicit_target(labels, 7, smoothing), reduction="none").sum(1)
    loss = smoothed_kl(logits, labels, smoothing)
    assert loss.shape == (32,)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)


def test_its_target_is_not_that_of_torch(batch) -> None:
    """ε/(K − 1), not ε/K: torch's smoothing with ε' = ε·K/(K − 1) has the same target."""
    logits, labels = batch
    target = explicit_target(labels, 7, 0.1)
    entropy = float(-(target[0] * target[0].log()).sum())
    cross = F.cross_entropy(logits, labels, reduction="none", label_smoothing=0.1 * 7 / 6)
    torch.testing.assert_close(smoothed_kl(logits, labels, 0.1), cross - entropy)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(batch, smoothing) -> None:
    logits, labels = batch
    loss = make_loss(TrainConfig(loss="cross_entropy", label_smoothing=smoothing))
    target = torch.full((32, 7), smoothing / 7, dtype=torch.float64)
    target[torch.arange(32), labels] += 1 - smoothing
    expected = -(target * F.log_softmax(logits.double(), dim=1)).sum(dim=1)
    torch.testing.assert_close(loss(logits, labels).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.fixture
def mixed() -> Tensor:
    """Shares of two classes for each of 32 images; of some, one class has all."""
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randint(7, (2, 32), generator=generator)
    share = torch.rand(32, 1, generator=generator).round(decimals=1)
    return share * F.one_hot(first, 7) + (1 - share) * F.one_hot(second, 7)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", ["cross_entropy", "smoothed_kl"])
def test_of_mixed_labels_the_targets_are_mixed(batch, mixed, name, smoothing) -> None:
    logits, _ = batch
    loss = make_loss(TrainConfig(loss=name, label_smoothing=smoothing))
    log_p = F.log_softmax(logits.double(), dim=1)
    each = torch.arange(7)
    if name == "smoothed_kl":
        target = mixed.double() @ explicit_target(each, 7, smoothing)
        expected = F.kl_div(log_p, target, reduction="none").sum(dim=1)
    else:
        target = (1 - smoothing) * mixed.double() + smoothing / 7
        expected = -(target * log_p).sum(dim=1)
    torch.testing.assert_close(loss(logits, mixed).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["cross_entropy", "smoothed_kl"])
def test_half_precision_logits_are_taken_in_float32(batch, name) -> None:
    logits, labels = batch
    loss = make_loss(TrainConfig(loss=name, label_smoothing=0.1))
    half = logits.bfloat16()
    torch.testing.assert_close(loss(half, labels), loss(half.float(), labels), rtol=0, atol=0)
    assert loss(half, labels).dtype == torch.float32


def test_exploded_is_not_finite_or_a_hundred_times_worse_than_guessing() -> None:
    assert chance_loss(10) == pytest.approx(math.log(10))
    assert chance_loss(1) == pytest.approx(math.log(2))
    assert is_exploded(math.nan, 10)
    assert is_exploded(math.inf, 10)
    assert is_exploded(-math.inf, 10)
    assert is_exploded(100.1 * math.log(10), 10)
    assert not is_exploded(99.9 * math.log(10), 10)
    assert is_exploded(torch.tensor(math.nan), 10)
