"""The figures of a finished network against scikit-learn and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score, top_k_accuracy_score
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from trainers.config import TrainConfig
from trainers.evaluation.evaluation import Evaluation, evaluate
from trainers.losses import make_loss

CLASSES = 7


@pytest.fixture
def outputs() -> tuple[Tensor, Tensor]:
    """600 images: batches of 256, 256 and 88."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(600, CLASSES, generator=generator)
    labels = torch.randint(CLASSES, (600,), generator=generator)
    logits[torch.arange(600), labels] += 1
    return logits, labels


def evaluated(logits: Tensor, labels: Tensor) -> Evaluation:
    return evaluate(logits, labels, make_loss(TrainConfig(loss="cross_entropy")), 1.5, 256)


def test_accuracies_confusion_and_classes_are_scikit_learns(outputs) -> None:
    logits, labels = outputs
    found = evaluated(logits, labels)
    called, right, scores = logits.argmax(dim=1).numpy(), labels.numpy(), logits.numpy()
    assert found.top1 == pytest.approx(100 * accuracy_score(right, called))
    assert found.top5 == pytest.approx(100 * top_k_accuracy_score(right, scores, k=5))
    np.testing.assert_array_equal(found.confusion.matrix(), confusion_matrix(right, called))
    recall = 100 * recall_score(right, called, average=None)
    assert found.confusion.scores().recall == pytest.approx(recall)
    assert (found.images, found.seconds) == (600, 1.5)


def test_both_conventions_of_the_loss(outputs) -> None:
    logits, labels = outputs
    found = evaluated(logits, labels)
    losses = F.cross_entropy(logits.double(), labels, reduction="none")
    assert found.loss == pytest.approx(float(losses.mean()), rel=1e-6)
    means = [float(losses[a:b].mean()) for a, b in ((0, 256), (256, 512), (512, 600))]
    assert found.loss_batch_sum == pytest.approx(sum(means) / 600, rel=1e-6)


def test_the_loss_is_in_the_unit_of_training(outputs) -> None:
    logits, labels = outputs
    loss = make_loss(TrainConfig(loss="smoothed_kl", label_smoothing=0.1))
    found = evaluate(logits, labels, loss, seconds=0.0, batch_size=256)
    assert found.loss == pytest.approx(float(loss(logits, labels).mean()), rel=1e-6)


def test_ten_thousand_classes_cost_no_more_than_their_images() -> None:
    """A matrix would have 10⁸ cells, some 200 MB of text."""
    n, classes = 300, 10_000
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, classes, generator=generator)
    labels = torch.randint(classes, (n,), generator=generator)
    found = evaluated(logits, labels)
    assert len(json.dumps(found.to_dict())) < 100_000
    assert sum(count for _, _, count in found.confusion.cells) == n
    scores = found.confusion.scores()
    right = (logits.argmax(dim=1) == labels).sum()
    assert sum(np.multiply(scores.recall, scores.images)) == pytest.approx(100 * float(right))
    assert found.top5 == pytest.approx(
        100 * top_k_accuracy_score(labels.numpy(), logits.numpy(), k=5, labels=range(classes))
    )
