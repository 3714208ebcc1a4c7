"""A network asked, not trained: its figures over a split, and what the reports print of a finished
one on a test set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainers.evaluation.confusion import Confusion
from trainers.evaluation.running_metrics import RunningMetrics, Summary, label_ranks
from trainers.losses import Loss

Split = Iterator[tuple[Tensor, Tensor]]  # batches of images (N, C, H, W) and labels (N)
AT_ONCE = 2**19  # logits: what is made of more would leave the processor's cache


@dataclass(frozen=True)
class Evaluation:
    """Accuracies in %; ``loss`` is the mean over images, ``loss_batch_sum`` report D's way: the
    sum of batch means, of batches as in training, divided by the number of images.
    """

    top1: float
    top5: float
    loss: float
    loss_batch_sum: float
    images: int
    seconds: float
    confusion: Confusion

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as test.json has them."""
        values = {name: value for name, value in vars(self).items() if name != "confusion"}
        return {**values, "cells": self.confusion.cells}

    def figures(self) -> dict[str, Any]:
        """Return the single numbers, by the names that a study records."""
        return {
            "test_top1": self.top1,
            "test_top5": self.top5,
            "test_loss": self.loss,
            "test_loss_batch_sum": self.loss_batch_sum,
            "test_seconds": self.seconds,
        }


def evaluate(
    logits: Tensor, labels: Tensor, loss: Loss, seconds: float, batch_size: int
) -> Evaluation:
    """Return all figures from ``logits`` (N, K) and ``labels`` (N,).

    ``batch_size`` decides ``loss_batch_sum`` alone.
    """
    n, classes = logits.shape
    rows = max(1, AT_ONCE // classes)
    parts = list(zip(logits.split(rows), labels.split(rows), strict=True))
    ranks = torch.cat([label_ranks(*part) for part in parts])
    losses = torch.cat([loss(*part) for part in parts])
    pairs, counts = (labels * classes + logits.argmax(dim=1)).unique(return_counts=True)
    cells = torch.stack([pairs // classes, pairs % classes, counts], dim=1)
    batch_means = torch.stack([part.mean() for part in losses.split(batch_size)])
    return Evaluation(
        top1=100 * float((ranks < 1).sum()) / n,
        top5=100 * float((ranks < 5).sum()) / n,
        loss=float(losses.double().mean()),
        loss_batch_sum=float(batch_means.double().sum()) / n,
        images=n,
        seconds=seconds,
        confusion=Confusion(classes, tuple(map(tuple, cells.tolist()))),
    )


def in_precision(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return a context manager within which a forward pass computes in ``precision``, one of
    ``PRECISIONS``."""
    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@torch.inference_mode()
def summary_of(model: nn.Module, split: Split, loss: Loss, precision: str) -> Summary:
    """Return loss and accuracy of ``model`` over ``split``."""
    model.eval()
    metrics = RunningMetrics(loss)
    for images, labels in split:
        with in_precision(precision, images.device):
            metrics.add(model(images), labels)
    return metrics.summary()


@torch.inference_mode()
def logits_of(model: nn.Module, split: Split, precision: str) -> Tensor:
    """Return all logits (N, classes) on the host, so that a clock has waited for them."""
    model.eval()
    parts = []
    for images, _ in split:
        with in_precision(precision, images.device):
            parts.append(model(images).float())
    return torch.cat(parts).cpu()
