"""The losses: per-image values, so that a batch's mean and a data set's mean both follow."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from trainers.config import TrainConfig
from trainers.registry import LOSSES

Loss = Callable[[Tensor, Tensor], Tensor]


def smoothed_kl(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Return the KL divergence from the smoothed target to the prediction, per image: (N, K), (N,)
    → (N,).

    The target has 1 − ε on the label and ε/(K − 1) on every other class (not torch's ε/K), and
    its entropy is subtracted, so a perfect fit has loss 0. Source: report E. Of mixed labels
    (N, K), each image's shares of the classes, it is the target that they mix.
    """
    classes = logits.shape[1]
    rest = label_smoothing / (classes - 1)
    log_p = functional.log_softmax(logits.float(), dim=1)
    if labels.ndim == 2:
        target = (1 - label_smoothing) * labels + rest * (1 - labels)
        return (torch.xlogy(target, target) - target * log_p).sum(dim=1)
    on_label = log_p.gather(1, labels[:, None]).squeeze(1)
    cross = (1 - label_smoothing) * on_label + rest * (log_p.sum(dim=1) - on_label)
    return _negative_entropy(label_smoothing, classes) - cross


def _negative_entropy(smoothing: float, classes: int) -> float:
    if smoothing == 0:
        return 0.0
    rest = smoothing / (classes - 1)
    return (1 - smoothing) * math.log(1 - smoothing) + smoothing * math.log(rest)


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Return torch's cross-entropy per image: (N, K), (N,) → (N,). Its smoothing gives every class
    ε/K. Labels may be mixed: (N, K), each image's shares of the classes."""
    return functional.cross_entropy(
        logits.float(), labels, reduction="none", label_smoothing=label_smoothing
    )


def make_loss(config: TrainConfig) -> Loss:
    """Return the loss of ``config``: logits (N, K) and labels (N,) or (N, K) to float32 losses
    (N,)."""
    entry = LOSSES[config.loss]
    return partial(entry.load(), **entry.keywords(vars(config)))


def chance_loss(classes: int) -> float:
    """Return the cross-entropy of a uniform guess over ``classes``, in nats."""
    return math.log(max(2, classes))


def is_exploded(loss: Tensor | float, classes: int) -> bool:
    """Return whether a mean loss is not a number, infinite, or 100 times worse than guessing."""
    value = float(loss) if isinstance(loss, torch.Tensor) else loss
    return not math.isfinite(value) or value > 100 * chance_loss(classes)
