"""What the update rule varies by: batch size, learning rate, schedule, weight decay, SAM's rho."""

from __future__ import annotations

from spaces.params import Categorical, Float, Int


def batch_size(low: int, high: int) -> Int:
    """Return any whole number in [low, high], on a log scale: doubling matters, adding does not."""
    return Int("batch_size", low, high, log=True)


def batch_sizes(*choices: int) -> Categorical:
    """Return a choice of just these batch sizes, as the tables of the reports have them."""
    return Categorical("batch_size", choices)


def learning_rate(low: float, high: float) -> Float:
    """Return a learning rate in [low, high]; the range test of ``search.lr_range`` helps to choose
    them."""
    return Float("lr", low, high, log=True)


def schedules(*choices: str) -> Categorical:
    """Return the choice of constant, cosine, piecewise, plateau, one_cycle."""
    return Categorical("schedule", choices)


def weight_decay(low: float, high: float) -> Float:
    """Return a weight decay in [low, high]; low is above 0."""
    return Float("weight_decay", low, high, log=True)


def sam_rho(low: float, high: float) -> Float:
    """Return SAM's rho in [low, high], on a log scale. Foret et al. tried 0.01 to 0.5."""
    return Float("rho", low, high, log=True)
