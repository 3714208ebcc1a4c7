"""The parts of networks."""

from __future__ import annotations

import torch
from torch import nn

from trainers.models.blocks import GlobalMaxPool2d


def test_the_maximum_is_torchs_with_its_gradient_where_several_are_largest() -> None:
    """Behind a ReLU whole maps are 0, and the gradient goes to one position of them alone."""
    maps = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)).relu()
    maps[0, 0] = 0
    maps[1, 1, 2:4, 3] = 9
    found = []
    for pool in (GlobalMaxPool2d(), nn.AdaptiveMaxPool2d(1)):
        given = maps.to(memory_format=torch.channels_last).requires_grad_()
        pooled = pool(given)
        pooled.square().add(pooled).sum().backward()
        found.append((pooled, given.grad))
    for ours, torchs in zip(*found, strict=True):
        assert torch.equal(ours, torchs)
