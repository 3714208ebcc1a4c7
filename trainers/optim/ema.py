"""An exponential moving average of the weights, which is evaluated in their place."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class EMA:
    """w̄ ← d · w̄ + (1 − d) · w after each step; the first step sets it (Polyak and Juditsky 1992;
    torch's ``swa_utils.AveragedModel`` with ``use_buffers``).

    BatchNorm's statistics are averaged alike; counters are the network's own. ``model`` has the
    averages.
    """

    def __init__(self, model: nn.Module, decay: float):
        counters = [buffer for buffer in model.buffers() if not buffer.is_floating_point()]
        self.model = copy.deepcopy(model, {id(c): c for c in counters}).requires_grad_(False)
        self._share = 1 - decay  # of the newest weights
        self._begun = False
        pairs = zip(_tensors(self.model), _tensors(model), strict=True)
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Update the averages after a step of the optimiser."""
        means, newest = map(list, zip(*self._averaged, strict=True))
        if self._begun:
            torch._foreach_lerp_(means, newest, self._share)
        else:
            torch._foreach_copy_(means, newest)
        self._begun = True

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the averages of ``model.state_dict()``, taken after a step."""
        self.model.load_state_dict(state)
        self._begun = True


def _tensors(model: nn.Module) -> list[Tensor]:
    """Return all weights and buffers, as they lie in memory."""
    return list(model.state_dict().values())
