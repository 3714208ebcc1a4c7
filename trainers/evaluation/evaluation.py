"""What the reports print of a finished network on a test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainers.batches import EVAL_BATCH
from trainers.evaluation.running_metrics import label_ranks
from trainers.losses import Loss


@dataclass(frozen=True)
class Evaluation:
    """Accuracies in %; ``loss`` is the mean over images, ``loss_batch_sum`` report D's way: the
    sum of batch means, of batches as in training, divided by the number of images.
    ``confusion[i][j]`` counts images of class i that were called j.
    """

    top1: float
    top5: float
    loss: float
    loss_batch_sum: float
    images: int
    seconds: float
    confusion: tuple[tuple[int, ...], ...]

    @property
    def per_class(self) -> tuple[float, ...]:
        """Accuracy of each class in %; a class without images has NaN."""
        rows = [(row[i], sum(row)) for i, row in enumerate(self.confusion)]
        return tuple(100 * right / n if n else float("nan") for right, n in rows)

    def figures(self) -> dict[str, Any]:
        """The single numbers, by the names that a study records."""
        return {
            "test_top1": self.top1,
            "test_top5": self.top5,
            "test_loss": self.loss,
            "test_loss_batch_sum": self.loss_batch_sum,
            "test_seconds": self.seconds,
        }


def evaluate(
    logits: Tensor, labels: Tensor, loss: Loss, seconds: float, batch_size: int = EVAL_BATCH
) -> Evaluation:
    """All figures from ``logits`` (N, K) and ``labels`` (N,).

    ``batch_size`` decides ``loss_batch_sum`` alone.
    """
    n, classes = logits.shape
    ranks = label_ranks(logits, labels)
    losses = loss(logits, labels)
    cells = labels * classes + logits.argmax(dim=1)
    confusion = torch.bincount(cells, minlength=classes * classes).view(classes, classes)
    batch_means = torch.stack([part.mean() for part in losses.split(batch_size)])
    return Evaluation(
        top1=100 * float((ranks < 1).sum()) / n,
        top5=100 * float((ranks < 5).sum()) / n,
        loss=float(losses.double().mean()),
        loss_batch_sum=float(batch_means.double().sum()) / n,
        images=n,
        seconds=seconds,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )
