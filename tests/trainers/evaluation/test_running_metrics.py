"""Loss, accuracies and their spread against scikit-learn and numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, top_k_accuracy_score
from torch import Tensor

from trainers.config import TrainConfig
from trainers.evaluation.running_metrics import RunningMetrics, Summary, label_ranks
from trainers.losses import make_loss

CROSS_ENTROPY = make_loss(TrainConfig(loss="cross_entropy"))


def collect(logits: Tensor, labels: Tensor, batch: int) -> Summary:
    metrics = RunningMetrics(CROSS_ENTROPY)
    for some, their_labels in zip(logits.split(batch), labels.split(batch), strict=True):
        metrics.add(some, their_labels)
    return metrics.summary()


def random_batch(n: int, classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    logits = torch.randn(n, classes, generator=generator)
    labels = torch.randint(classes, (n,), generator=generator)
    logits[torch.arange(n), labels] += 1  # somewhat better than guessing
    return logits, labels


@pytest.mark.parametrize(
    ("n", "batch"),
    [
        (100, 100),  # one batch
        (90, 32),  # an uneven last one
        (65, 64),  # a last one of a single image
        (1300, 10),  # more than the 64 batches that are worked out at once
        (640, 10),  # exactly 64
    ],
)
def test_against_scikit_learn(n: int, batch: int) -> None:
    logits, labels = random_batch(n, 12)
    found, every = collect(logits, labels, batch), np.arange(12)
    for k, value in ((1, found.top1), (5, found.top5)):
        right = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=k, labels=every)
        assert value == pytest.approx(100 * right, rel=1e-12)
    p = torch.softmax(logits.double(), dim=1).numpy()
    p /= p.sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(log_loss(labels.numpy(), p, labels=every), rel=1e-6)


@pytest.mark.parametrize(("n", "batch"), [(90, 32), (1300, 10), (40, 40)])
def test_spread_is_the_standard_deviation_of_batch_means(n: int, batch: int) -> None:
    logits, labels = random_batch(n, 12)
    found = collect(logits, labels, batch)
    x, y = logits.double().numpy(), labels.numpy()
    losses = np.log(np.exp(x).sum(axis=1)) - x[np.arange(n), y]
    cuts = range(batch, n, batch)
    loss_means = [part.mean() for part in np.split(losses, cuts)]
    top1_means = [100 * part.mean() for part in np.split(x.argmax(axis=1) == y, cuts)]
    assert found.loss_std == pytest.approx(np.std(loss_means), rel=1e-5, abs=1e-9)
    assert found.top1_std == pytest.approx(np.std(top1_means), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_up_to_five_classes_every_image_is_in_the_top_five(classes: int) -> None:
    logits, labels = random_batch(50, classes)
    found = collect(logits, labels, 16)
    assert found.top5 == 100
    assert found.top1 == pytest.approx(100 * float((logits.argmax(dim=1) == labels).float().mean()))


def test_ties_go_to_the_earlier_class_as_with_argmax() -> None:
    logits = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
    assert label_ranks(logits, torch.tensor([0, 1, 2])).tolist() == [0, 1, 2]
    level = torch.zeros(10, 10)
    found = collect(level, torch.arange(10), 10)
    assert (found.top1, found.top5) == (10, 50)
    assert level.argmax(dim=1).tolist() == [0] * 10


def test_a_label_whose_score_is_not_a_number_is_wrong() -> None:
    logits = torch.zeros(2, 10)
    logits[0, 3] = math.nan
    logits[1] = math.nan
    assert (label_ranks(logits, torch.tensor([3, 0])) >= 5).all()
    found = collect(logits, torch.tensor([3, 0]), 2)
    assert (found.top1, found.top5) == (0, 0)
    assert math.isnan(found.loss)


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
def test_a_score_that_is_not_a_number_is_what_argmax_picks(classes: int) -> None:
    """With fewer than five classes too, and also where it is another class's."""
    logits = torch.zeros(2, classes)
    logits[:, 1] = math.nan
    logits[0, 0] = 1
    labels = torch.tensor([0, 1])
    assert logits.argmax(dim=1).tolist() == [1, 1]
    ranks = label_ranks(logits, labels).tolist()
    assert ranks[0] == 1  # behind the NaN
    assert ranks[1] >= 5  # no score, no place
    assert collect(logits, labels, 2).top1 == 0


def test_many_classes_are_worked_out_before_they_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("trainers.evaluation.running_metrics.SCORES_A_FLUSH", 250)
    logits, labels = random_batch(40, 12)
    worked_out: list[int] = []

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        worked_out.append(len(labels))
        return CROSS_ENTROPY(logits, labels)

    metrics = RunningMetrics(loss)
    for some, their_labels in zip(logits.split(10), labels.split(10), strict=True):
        metrics.add(some, their_labels)
    assert metrics.rows()[:, 0].tolist() == [10] * 4
    assert worked_out == [30, 10]


def test_logits_of_half_precision_count_as_they_are() -> None:
    logits, labels = random_batch(100, 12)
    half = logits.bfloat16()
    assert collect(half, labels, 32) == collect(half.float(), labels, 32)


def test_needs_no_gradient_of_what_it_is_given() -> None:
    logits, labels = random_batch(8, 3)
    metrics = RunningMetrics(CROSS_ENTROPY)
    metrics.add(logits.requires_grad_(), labels)
    assert not metrics.rows().requires_grad
    assert metrics.summary().top1 >= 0
