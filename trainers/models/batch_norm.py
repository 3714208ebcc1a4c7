"""What BatchNorm keeps of the batches that it has seen, while a network is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

BatchNorm = nn.modules.batchnorm._BatchNorm


def has_batch_norm(model: nn.Module) -> bool:
    """Return whether a layer of ``model`` normalises by batches."""
    return any(isinstance(module, BatchNorm) for module in model.modules())


@contextmanager
def frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Return a context manager within which BatchNorm normalises by the batch but leaves its
    running statistics alone.

    SAM sees every batch twice; the statistics must see it once.
    """
    layers = _tracking(model)
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


@contextmanager
def counted_together(model: nn.Module, batches: int) -> Iterator[None]:
    """Return a context manager within which BatchNorm does not count batches, since that takes a
    kernel for each layer and step. Afterwards it has counted ``batches`` more, unless an error left
    this early. A layer without momentum averages over all batches and needs its count as it
    goes."""
    layers = [layer for layer in _tracking(model) if layer.momentum is not None]
    counts = [layer.num_batches_tracked for layer in layers]
    for layer in layers:
        layer.num_batches_tracked = None
    try:
        yield
        for count in counts:
            if count is not None:
                count.add_(batches)
    finally:
        for layer, count in zip(layers, counts, strict=True):
            layer.num_batches_tracked = count


def _tracking(model: nn.Module) -> list[BatchNorm]:
    layers = [module for module in model.modules() if isinstance(module, BatchNorm)]
    return [layer for layer in layers if layer.track_running_stats]
