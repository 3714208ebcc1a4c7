"""A training step as a program of the device's memory alone: what a GPU can replay as one graph.

The order of an epoch, its draws and its rates lie in buffers, and a counter beside them says which
step it is; logits and labels go where the counter says. So a step gets nothing from the host, and
every step is the same program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainers.augment import Draws
from trainers.batches import Batches
from trainers.evaluation.running_metrics import batches_kept

Update = Callable[[Tensor, Tensor, "float | Tensor"], tuple[Tensor, Tensor]]


def as_taken(rates: Sequence[float], device: torch.device) -> Tensor:
    """Return ``rates`` on the host, in the numbers that the fused optimisers of ``device`` take."""
    return torch.tensor(rates, dtype=torch.float64 if device.type == "cpu" else torch.float32)


class StepProgram:
    """Steps of ``size`` images each, whose network scores ``classes``.

    ``update`` trains images and labels with a rate, and returns loss and logits. ``loss`` is that
    of the last whole step, where a replayed step leaves it too.
    """

    loss: Tensor

    def __init__(self, batches: Batches, size: int, classes: int):
        device = batches.device
        self._batches = batches
        self._size = size
        self._line = torch.arange(size, device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._kept = batches_kept(size, classes)
        self._logits = torch.empty(self._kept * size, classes, device=device)
        self._labels = torch.empty(self._kept * size, dtype=torch.int64, device=device)
        self._epoch: tuple[Tensor, Draws, Tensor] | None = None

    def begin(self, order: Tensor, draws: Draws, rates: Sequence[float]) -> None:
        """Begin an epoch: the next step is the first of the images in ``order``; there are as many
        in each epoch."""
        device = self._batches.device
        taken = as_taken(rates, device)
        if self._epoch is None:
            self._epoch = order.to(device), draws.to(device), taken.to(device)
        else:
            self._epoch[0].copy_(order)
            self._epoch[1].copy_(draws)
            self._epoch[2].copy_(taken)
        self._step.zero_()

    def run(self, update: Update) -> None:
        """Run the next step."""
        order, draws, rates = self._begun()
        where = self._step * self._size + self._line
        chosen = order.index_select(0, where)
        images = self._batches.images(chosen, draws.each(lambda part: part.index_select(0, where)))
        labels = self._batches.train_labels.index_select(0, chosen)
        rate = rates.index_select(0, self._step)
        self.loss, logits = update(images, labels, rate.squeeze())
        place = where.remainder(len(self._logits))
        self._logits.index_copy_(0, place, logits.float())
        self._labels.index_copy_(0, place, labels)
        self._step.add_(1)

    def result(self, step: int) -> tuple[Tensor, Tensor]:
        """Return logits, in float32, and labels of an epoch's ``step``; steps much later overwrite
        them."""
        start = step % self._kept * self._size
        where = slice(start, start + self._size)
        return self._logits[where], self._labels[where]

    def part(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return images and labels of the epoch from ``start`` to ``stop``, for a step that is no
        whole one."""
        order, draws, _ = self._begun()
        chosen = order[start:stop]
        images = self._batches.images(chosen, draws.take(start, stop))
        return images, self._batches.train_labels[chosen]

    def _begun(self) -> tuple[Tensor, Draws, Tensor]:
        assert self._epoch is not None
        return self._epoch
