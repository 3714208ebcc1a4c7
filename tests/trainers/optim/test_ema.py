"""The average of the weights against ``torch.optim.swa_utils``."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trainers.optim.ema import EMA


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2))


def step(model: nn.Module, seed: int) -> None:
    """Moves weights and statistics."""
    images = torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    model(images).square().sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.01 * parameter.grad
            parameter.grad = None


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_steps_are_those_of_torch(decay: float) -> None:
    model = network()
    ours = EMA(model, decay)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    for seed in range(4):
        step(model, seed)
        ours.update()
        theirs.update_parameters(model)
        expected = theirs.module.state_dict()
        for name, value in ours.model.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-7)
    assert int(ours.model[1].num_batches_tracked) == 4  # torch's average of a counter is none


def test_goes_on_from_its_state() -> None:
    model = network()
    whole = EMA(model, 0.9)
    step(model, 0)
    whole.update()
    resumed = EMA(model, 0.9)
    resumed.load_state_dict(copy.deepcopy(whole.model.state_dict()))
    step(model, 1)
    for average in (whole, resumed):
        average.update()
    expected = whole.model.state_dict()
    for name, value in resumed.model.state_dict().items():
        assert torch.equal(value, expected[name])
        shared = value.data_ptr() == model.state_dict()[name].data_ptr()
        assert shared is not value.is_floating_point()  # counters are the network's own
