"""Weight decay: the L2 penalty of SGD, on a log scale."""

from __future__ import annotations

from spaces.params import Float


def weight_decay(low: float, high: float) -> Float:
    """In [low, high]; low above 0."""
    return Float("weight_decay", low, high, log=True)
