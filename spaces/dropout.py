"""Dropout: the probability that a unit is dropped while training."""

from __future__ import annotations

from spaces.params import Float


def dropout(high: float) -> Float:
    """In [0, high]; 0 leaves the layer out."""
    return Float("dropout", 0.0, high)
