"""Batches are counted together, and the count comes to the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from trainers.models import MODELS, build_model
from trainers.models.batch_norm import counted_together
from trainers.models.summary import summarize

STEPS = 3
SHALLOW = {"depth": 10, "width": 1, "dropout": 0.0, "batch_norm": True, "residual": True}
DEPTHS = {"resnet": 18, "cnn200": 4}


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=None))


def seen(network: nn.Module, steps: int) -> nn.Module:
    torch.manual_seed(0)
    for _ in range(steps):
        network(torch.randn(2, 1, 5, 5))
    return network


def test_all_that_is_kept_is_what_it_would_be(network: nn.Module) -> None:
    expected = seen(copy.deepcopy(network), STEPS).state_dict()
    with counted_together(network, STEPS):
        assert network[1].num_batches_tracked is None
        seen(network, STEPS)
    found = network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert int(found["1.num_batches_tracked"]) == STEPS


def test_what_was_left_early_is_not_counted(network: nn.Module) -> None:
    with pytest.raises(KeyboardInterrupt), counted_together(network, STEPS):
        raise KeyboardInterrupt
    assert int(network[1].num_batches_tracked) == 0


@pytest.mark.parametrize("model", MODELS)
def test_each_named_model_begins_with_a_convolution(model: str) -> None:
    """So that images may come in the precision that it would round them to."""
    options = {"model": model, **SHALLOW, "depth": DEPTHS.get(model, 10)}
    rows = summarize(build_model(options, 10, 3, 32), 3, 32, 1).rows
    assert rows[0].type == "Conv2d"
