"""Loss, top-1 and top-5 over batches, worked out many batches at a time on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.losses import Loss

BATCHES_A_FLUSH, SCORES_A_FLUSH = 64, 2**24


@dataclass(frozen=True)
class Summary:
    """Mean loss over images, accuracies in %, and the spread over batches of both."""

    loss: float
    loss_std: float
    top1: float
    top1_std: float
    top5: float


def label_ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes stand before the label: (N, K), (N,) → (N,) int64; 0 is top-1.

    As with argmax, an equal score of an earlier class stands before, and so does one that is not
    a number. A label whose own score is none is not even among the first five.
    """
    score = logits.gather(1, labels[:, None])
    classes = torch.arange(logits.shape[1], dtype=torch.int32, device=logits.device)
    before = (logits <= score).logical_not_()  # greater, or not a number
    before |= (logits == score).logical_and_(classes < labels[:, None].int())
    return before.sum(dim=1) + torch.isnan(score[:, 0]) * max(5, logits.shape[1])


def batches_kept(size: int, classes: int) -> int:
    """Return how many batches of logits (``size``, ``classes``) are evaluated at once."""
    return min(BATCHES_A_FLUSH, math.ceil(SCORES_A_FLUSH / (size * classes)))


class RunningMetrics:
    """Collects logits batch by batch; the host waits only in ``summary``.

    With up to five classes top-5 counts every image whose label has a score.
    """

    def __init__(self, loss: Loss):
        self._loss = loss
        self._logits: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._rows: list[Tensor] = []

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add one batch: ``logits`` (N, K), ``labels`` (N,) or, mixed, (N, K): the larger share
        then counts as right. Keeps references, to no more than ``batches_kept`` of them."""
        self._logits.append(logits.detach())
        self._labels.append(labels)
        uneven = len(labels) != len(self._labels[0])  # such as the last of an epoch
        if uneven or len(self._logits) == batches_kept(*self._logits[0].shape):
            self._flush()

    @torch.no_grad()
    def _flush(self) -> None:
        batches, size = len(self._labels), len(self._labels[0])  # of all but perhaps the last
        logits, labels = torch.cat(self._logits).float(), torch.cat(self._labels)
        ranks = label_ranks(logits, labels if labels.ndim == 1 else labels.argmax(dim=1))
        columns = [torch.ones_like(ranks), self._loss(logits, labels), ranks < 1, ranks < 5]
        values = torch.stack([column.double() for column in columns], dim=1)
        batch = torch.arange(len(values), device=values.device).div_(size, rounding_mode="floor")
        batch.clamp_(max=batches - 1)
        self._rows.append(values.new_zeros(batches, 4).index_add_(0, batch, values))
        self._logits, self._labels = [], []

    def rows(self) -> Tensor:
        """Return (batches, 4) float64: images, sum of losses, right at 1, right at 5."""
        if self._logits:
            self._flush()
        return torch.cat(self._rows)

    def summary(self) -> Summary:
        """Return the figures of all batches added."""
        return summarize_rows(self.rows().cpu())


def summarize_rows(rows: Tensor) -> Summary:
    """Return means over images and spread over batches of rows as ``RunningMetrics.rows`` gives
    them."""
    loss, top1, top5 = (rows[:, 1:].sum(dim=0) / rows[:, 0].sum()).tolist()
    spread = (rows[:, 1:] / rows[:, :1]).std(dim=0, correction=0).tolist()
    return Summary(loss, spread[0], 100 * top1, 100 * spread[1], 100 * top5)
