"""SAM against its formula, against SGD where ρ is 0, and what it must leave as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from trainers.models.batch_norm import frozen_statistics
from trainers.optim.sam import SAM

LR, MOMENTUM, DECAY = 0.1, 0.9, 5e-4


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 5),
    )


def batches(count: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(16, 1, 6, 6, generator=generator),
            torch.randint(5, (16,), generator=generator),
        )
        for _ in range(count)
    ]


def sgd(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY)


def weights(model: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def all_equal(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def sam_step(model: nn.Module, sam: SAM, optimizer: torch.optim.SGD, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    with sam.perturbed(), frozen_statistics(model):
        F.cross_entropy(model(x), y).backward()
    optimizer.step()


def sgd_step(model: nn.Module, optimizer: torch.optim.SGD, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()


@pytest.mark.parametrize("adaptive", [False, True])
def test_with_rho_zero_it_is_sgd_bit_for_bit(network: nn.Module, adaptive: bool) -> None:
    plain = copy.deepcopy(network)
    sam = SAM(network.parameters(), rho=0.0, adaptive=adaptive)
    optimizer, plain_optimizer = sgd(network), sgd(plain)
    for x, y in batches(6):
        sam_step(network, sam, optimizer, x, y)
        sgd_step(plain, plain_optimizer, x, y)
    expected = plain.state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, expected[name]), name


def linear_gradients(w: Tensor, b: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Of the mean cross-entropy of softmax(x wᵀ + b), written out."""
    scores = x @ w.T + b
    p = (scores - scores.max(dim=1, keepdim=True).values).exp()
    p = p / p.sum(dim=1, keepdim=True)
    p[torch.arange(len(y)), y] -= 1
    return p.T @ x / len(y), p.mean(dim=0)


@pytest.mark.parametrize("adaptive", [False, True])
def test_two_steps_equal_the_formula_by_hand(adaptive: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    model = nn.Linear(4, 3, dtype=torch.float64)
    w, b = model.weight.detach().clone(), model.bias.detach().clone()
    x = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (8,), generator=generator)
    rho, optimizer = 0.3, sgd(model)
    sam = SAM(model.parameters(), rho, adaptive)
    velocity_w, velocity_b = torch.zeros_like(w), torch.zeros_like(b)
    for _ in range(2):
        sam_step(model, sam, optimizer, x, y)
        gw, gb = linear_gradients(w, b, x, y)
        if adaptive:  # ε = ρ w² g / ‖|w| g‖
            norm = ((w.abs() * gw).square().sum() + (b.abs() * gb).square().sum()).sqrt()
            shift_w, shift_b = rho * w**2 * gw / norm, rho * b**2 * gb / norm
        else:  # ε = ρ g / ‖g‖ over all parameters
            norm = (gw.square().sum() + gb.square().sum()).sqrt()
            shift_w, shift_b = rho * gw / norm, rho * gb / norm
        gw, gb = linear_gradients(w + shift_w, b + shift_b, x, y)
        velocity_w = MOMENTUM * velocity_w + gw + DECAY * w
        velocity_b = MOMENTUM * velocity_b + gb + DECAY * b
        w, b = w - LR * velocity_w, b - LR * velocity_b
        torch.testing.assert_close(model.weight.detach(), w, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(model.bias.detach(), b, rtol=1e-10, atol=1e-12)


def test_perturbs_by_rho_and_comes_back_exactly(network: nn.Module) -> None:
    (x, y), *_ = batches(1)
    before = weights(network)
    F.cross_entropy(network(x), y).backward()
    with SAM(network.parameters(), rho=0.1).perturbed():
        inside = [new - old for new, old in zip(weights(network), before, strict=True)]
        assert all(p.grad is None for p in network.parameters())
    length = torch.cat([move.flatten() for move in inside]).norm()
    assert float(length) == pytest.approx(0.1, rel=1e-4)
    assert all_equal(weights(network), before)


def test_comes_back_exactly_when_the_second_pass_fails(network: nn.Module) -> None:
    (x, y), *_ = batches(1)
    before = weights(network)
    F.cross_entropy(network(x), y).backward()
    sam = SAM(network.parameters(), rho=0.1)

    def fail_at_the_top() -> None:
        with sam.perturbed(), frozen_statistics(network):
            assert not all_equal(weights(network), before)
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        fail_at_the_top()
    assert all_equal(weights(network), before)
    assert network[1].track_running_stats


def test_parameters_without_gradient_or_frozen_stay(network: nn.Module) -> None:
    (x, y), *_ = batches(1)
    network[0].weight.requires_grad_(False)
    unused = nn.Parameter(torch.ones(3))
    F.cross_entropy(network(x), y).backward()
    with SAM([*network.parameters(), unused], rho=0.1).perturbed():
        assert torch.equal(unused, torch.ones(3))
        assert network[0].weight.grad is None


def test_batch_statistics_move_once_a_step_as_in_a_plain_pass(network: nn.Module) -> None:
    plain = copy.deepcopy(network)
    (x, y), *_ = batches(1)
    sam_step(network, SAM(network.parameters(), rho=0.5), sgd(network), x, y)
    plain(x)
    assert int(network[1].num_batches_tracked) == 1
    assert torch.equal(network[1].running_mean, plain[1].running_mean)
    assert torch.equal(network[1].running_var, plain[1].running_var)
    assert not torch.equal(plain[1].running_mean, torch.zeros(4))


def test_frozen_statistics_leave_alone_a_layer_that_never_tracked() -> None:
    layer = nn.BatchNorm2d(2, track_running_stats=False)
    with frozen_statistics(layer):
        pass
    assert not layer.track_running_stats
