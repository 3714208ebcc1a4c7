"""Learning rate of the first step, on a log scale."""

from __future__ import annotations

from spaces.params import Float


def learning_rate(low: float, high: float) -> Float:
    """In [low, high]; the range test of ``search.lr_range`` helps to choose them."""
    return Float("lr", low, high, log=True)
