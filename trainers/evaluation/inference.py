"""A network asked, not trained: its figures and its logits over a split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from trainers.evaluation.running_metrics import RunningMetrics, Summary
from trainers.losses import Loss

Split = Iterator[tuple[Tensor, Tensor]]  # batches of images (N, C, H, W) and labels (N)


def in_precision(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Within: a forward pass computes in ``precision``, one of ``PRECISIONS``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@torch.inference_mode()
def summary_of(model: nn.Module, split: Split, loss: Loss, precision: str) -> Summary:
    """Loss and accuracy of ``model`` over ``split``."""
    model.eval()
    metrics = RunningMetrics(loss)
    for images, labels in split:
        with in_precision(precision, images.device):
            metrics.add(model(images), labels)
    return metrics.summary()


@torch.inference_mode()
def logits_of(model: nn.Module, split: Split, precision: str) -> Tensor:
    """All logits (N, classes) on the host, so that a clock has waited for them."""
    model.eval()
    parts = []
    for images, _ in split:
        with in_precision(precision, images.device):
            parts.append(model(images).float())
    return torch.cat(parts).cpu()
