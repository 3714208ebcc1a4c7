"""The losses: per-image values, so that a batch's mean and a data set's mean both follow."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from trainers.config import TrainConfig

Loss = Callable[[Tensor, Tensor], Tensor]


def smoothed_kl(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """KL divergence from the smoothed target to the prediction, per image: (N, K), (N,) → (N,).

    The target has 1 − ε on the label and ε/(K − 1) on every other class (not torch's ε/K), and
    its entropy is subtracted, so a perfect fit has loss 0. Source: report E.
    """
    classes = logits.shape[1]
    rest = smoothing / (classes - 1)
    log_p = functional.log_softmax(logits.float(), dim=1)
    on_label = log_p.gather(1, labels[:, None]).squeeze(1)
    cross = (1 - smoothing) * on_label + rest * (log_p.sum(dim=1) - on_label)
    return _negative_entropy(smoothing, classes) - cross


def _negative_entropy(smoothing: float, classes: int) -> float:
    if smoothing == 0:
        return 0.0
    rest = smoothing / (classes - 1)
    return (1 - smoothing) * math.log(1 - smoothing) + smoothing * math.log(rest)


def make_loss(config: TrainConfig) -> Loss:
    """The loss of ``config``: logits (N, K) and labels (N,) to float32 losses (N,)."""
    smoothing = config.label_smoothing
    if config.loss == "smoothed_kl":
        return lambda logits, labels: smoothed_kl(logits, labels, smoothing)

    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(
            logits.float(), labels, reduction="none", label_smoothing=smoothing
        )

    return cross_entropy


def chance_loss(classes: int) -> float:
    """Cross-entropy of a uniform guess over ``classes``, in nats."""
    return math.log(max(2, classes))


def is_exploded(loss: Tensor | float, classes: int) -> bool:
    """Whether a mean loss is not a number, infinite, or 100 times worse than guessing."""
    value = float(loss) if isinstance(loss, torch.Tensor) else loss
    return not math.isfinite(value) or value > 100 * chance_loss(classes)
