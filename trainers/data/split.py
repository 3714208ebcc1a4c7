"""The validation split: part of the training images, the same share of every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from trainers.data.images import DataError

if TYPE_CHECKING:
    from torch import Tensor


def stratified_split(
    labels: Tensor, fraction: float, seed: int, classes: Sequence[str] = ()
) -> tuple[Tensor, Tensor]:
    """Return indices (train, validation) into ``labels`` (N,), sorted, int64, disjoint and
    covering.

    Each class gives round(fraction · count) images to validation, at least one, and keeps at
    least one. Raises ``DataError`` when a class has fewer than two images, by its name where
    ``classes`` has it.
    """
    import torch

    train, val = split_indices(np.asarray(labels), fraction, seed, classes)
    return torch.from_numpy(train), torch.from_numpy(val)


def split_indices(
    labels: np.ndarray, fraction: float, seed: int, classes: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``stratified_split`` does, in numpy."""
    if not 0 < fraction < 1:
        raise DataError(f"fraction must be in (0, 1), got {fraction}")
    if len(labels) == 0:
        raise DataError("a split needs labels, got none")
    # RandomState, since numpy promises its stream for ever; own, so the global one is untouched.
    random = np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed)))
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            name = repr(classes[label]) if classes else label
            raise DataError(
                f"class {name} has 1 training image, but needs at least 2: "
                "one to train on and one for validation"
            )
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        chosen[random.permutation(members)[:count]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
