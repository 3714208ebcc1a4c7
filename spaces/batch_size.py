"""Batch size: images a step. Small ones give more and noisier steps an epoch."""

from __future__ import annotations

from spaces.params import Categorical, Int


def batch_size(low: int, high: int) -> Int:
    """Any whole number in [low, high], on a log scale: doubling matters, adding does not."""
    return Int("batch_size", low, high, log=True)


def batch_sizes(*choices: int) -> Categorical:
    """Just these, as the tables of the reports have them."""
    return Categorical("batch_size", choices)
