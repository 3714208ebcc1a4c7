"""Schedules against torch's own schedulers; early stopping by hand."""

from __future__ import annotations

import random
from typing import Literal

import pytest
import torch

from trainers.config import TrainConfig
from trainers.optim.schedules import learning_rates, stops_early
from trainers.registry import SCHEDULES


def learning_rate(config: TrainConfig, watched: list[float]) -> float:
    """Of the next epoch, in one step."""
    (rate,) = learning_rates(config, watched, 1)
    return rate


def rates(config: TrainConfig) -> list[float]:
    """Of every epoch; the losses do not matter but to ``plateau``."""
    return [learning_rate(config, [1.0] * done) for done in range(config.epochs)]


def optimizer(lr: float) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def test_constant_stays() -> None:
    assert rates(TrainConfig(lr=0.3, epochs=5, schedule="constant")) == [0.3] * 5


def test_starts_at_the_scaled_rate() -> None:
    options = {"lr": 0.1, "batch_size": 256, "lr_base_batch": 128, "epochs": 4}
    for schedule in ("constant", "cosine", "piecewise", "plateau"):
        assert rates(TrainConfig(schedule=schedule, **options))[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("epochs", "drops"),
    [
        (10, [2, 5, 7, 9]),  # 0.85 · 10 = 8.5: the ninth epoch begins before it
        (16, [4, 8, 12, 14]),  # 3.2, 8, 11.2, 13.6
        (20, [4, 10, 14, 17]),
        (100, [20, 50, 70, 85]),
        (300, [60, 150, 210, 255]),
        (1, []),
    ],
)
def test_piecewise_at_other_lengths(epochs: int, drops: list[int]) -> None:
    found = rates(TrainConfig(lr=1.0, epochs=epochs, schedule="piecewise", decay_factor=0.5))
    assert [done for done in range(1, epochs) if found[done] < found[done - 1]] == drops
    assert found[-1] == 0.5 ** len(drops)


@pytest.mark.parametrize(
    ("milestones", "epochs"), [((0.29,), 100), ((0.1, 0.3, 0.7), 10), ((0.07, 0.14), 100)]
)
def test_a_milestone_on_a_whole_epoch_is_not_lost_to_rounding(milestones, epochs) -> None:
    """0.29 · 100 is 28.999999999999996, 0.07 · 100 is 7.000000000000001 in floats."""
    found = rates(TrainConfig(epochs=epochs, schedule="piecewise", milestones=milestones))
    drops = [done for done in range(1, epochs) if found[done] < found[done - 1]]
    assert drops == [round(m * epochs) for m in milestones]


@pytest.mark.parametrize(("lr", "epochs"), [(0.1, 200), (0.7, 17), (1e-3, 1)])
def test_cosine_is_torchs(lr: float, epochs: int) -> None:
    base = optimizer(lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(base, T_max=epochs)
    expected = []
    for _ in range(epochs):
        expected.append(base.param_groups[0]["lr"])
        base.step()
        scheduler.step()
    found = rates(TrainConfig(lr=lr, epochs=epochs, schedule="cosine"))
    # torch continues from the rate before, so its roundings add up to some 1e-13 of the rate.
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-15 * lr)


def by_step(config: TrainConfig, steps: int) -> list[float]:
    """The rates of all steps of a training whose loss never gets better."""
    epochs = range(config.epochs)
    return [rate for done in epochs for rate in learning_rates(config, [1.0] * done, steps)]


@pytest.mark.parametrize(("epochs", "steps"), [(1, 30), (5, 7), (50, 10)])
@pytest.mark.parametrize("pct_start", [0.3, 0.05, 0.9])
def test_one_cycle_is_torchs(epochs: int, steps: int, pct_start: float) -> None:
    base = optimizer(0.3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        base, max_lr=0.3, total_steps=epochs * steps, pct_start=pct_start, cycle_momentum=False
    )
    config = TrainConfig(lr=0.3, epochs=epochs, schedule="one_cycle", pct_start=pct_start)
    for rate in by_step(config, steps):
        assert rate == pytest.approx(base.param_groups[0]["lr"], rel=1e-9)
        base.step()
        if scheduler.last_epoch < epochs * steps - 1:
            scheduler.step()


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("pct_start", [0.1, 0.5, 0.99])
def test_a_cycle_of_few_steps_stays_within_its_ends(steps: int, pct_start: float) -> None:
    config = TrainConfig(lr=1.0, epochs=1, schedule="one_cycle", pct_start=pct_start)
    assert all(1 / 250_000 <= rate <= 1 for rate in by_step(config, steps))


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("warmup", [0.5, 3, 4])
def test_warm_up_is_torchs_beside_every_schedule(schedule: str, warmup: float) -> None:
    options = {"lr": 0.4, "epochs": 4, "schedule": schedule, "milestones": [0.5]}
    without = by_step(TrainConfig(**options), 6)
    base = optimizer(1.0)
    steps = int(warmup * 6)
    ramp = torch.optim.lr_scheduler.LinearLR(base, start_factor=1 / steps, total_iters=steps - 1)
    found = by_step(TrainConfig(**options, warmup_epochs=warmup), 6)
    for rate, plain in zip(found, without, strict=True):
        assert rate == pytest.approx(plain * base.param_groups[0]["lr"], rel=1e-9)
        base.step()
        ramp.step()


def loss_series(seed: int) -> list[float]:
    """Falling, level and rising stretches, with equal values and tiny steps among them."""
    draw = random.Random(seed)
    losses, value = [], 2.0
    for _ in range(60):
        value = max(0.01, value + draw.choice([-0.2, -1e-4, -1e-5, 0.0, 0.0, 0.05]))
        losses.append(draw.choice([value, value, value + draw.random()]))
    return losses


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("metric", "mode"), [("val_loss", "min"), ("val_top1", "max")])
@pytest.mark.parametrize(
    ("patience", "factor", "min_lr"), [(0, 0.5, 0.0), (3, 0.1, 1e-3), (10, 0.1, 1e-5), (2, 0.9, 1)]
)
def test_plateau_is_torchs(
    seed: int, patience: int, factor: float, min_lr: float, metric: str, mode: Literal["min", "max"]
) -> None:
    base = optimizer(0.015)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        base, mode=mode, patience=patience, factor=factor, min_lr=min_lr
    )
    config = TrainConfig(
        lr=0.015,
        schedule="plateau",
        plateau_metric=metric,
        plateau_patience=patience,
        decay_factor=factor,
        min_lr=min_lr,
    )
    losses = loss_series(seed)
    for done, loss in enumerate(losses):
        assert learning_rate(config, losses[:done]) == base.param_groups[0]["lr"]
        scheduler.step(loss)


@pytest.mark.parametrize(
    ("epochs", "best", "stops"),
    [
        (0, 0, False),
        (3, 1, False),  # two epochs without improvement: the patience
        (4, 1, True),  # three: exceeded
        (4, 4, False),
        (6, 4, False),
        (7, 4, True),
    ],
)
def test_early_stopping_when_the_counter_exceeds_its_patience(epochs, best, stops) -> None:
    assert stops_early(TrainConfig(early_stopping=2), epochs, best) is stops
    assert stops_early(TrainConfig(early_stopping=0), epochs, best) is False
