"""AdamW step by step against ``torch.optim.AdamW``: the same weights bit for bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from trainers.optim.adamw import AdamW


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 4))
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def gradients(model: nn.Module, seed: int) -> None:
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    model(images).square().sum().backward()


def same(some: nn.Module, other: nn.Module) -> bool:
    pairs = zip(some.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
def test_steps_are_those_of_torch(decay: float, betas: tuple[float, float]) -> None:
    ours, theirs = network(), network()
    mine = AdamW(ours.parameters(), 0.1, *betas, weight_decay=decay)
    torchs = torch.optim.AdamW(theirs.parameters(), 0.1, betas, weight_decay=decay, fused=True)
    for step in range(4):
        mine.lr = torchs.param_groups[0]["lr"] = 0.1 / (step + 1)
        for model, optimizer in ((ours, mine), (theirs, torchs)):
            optimizer.zero_grad()
            gradients(model, step)
            optimizer.step()
        assert same(ours, theirs), step


def test_goes_on_from_its_state_and_leaves_alone_what_has_no_gradient() -> None:
    model, unused = network(), nn.Parameter(torch.ones(2))
    optimizer = AdamW([*model.parameters(), unused], 0.1, weight_decay=0.1)
    gradients(model, 0)
    optimizer.step()
    resumed = copy.deepcopy(model)
    other = AdamW([*resumed.parameters(), unused], 0.1, weight_decay=0.1)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for some, its in ((model, optimizer), (resumed, other)):
        its.zero_grad()
        gradients(some, 1)
        its.step()
    assert same(model, resumed)
    assert unused.tolist() == [1, 1]
