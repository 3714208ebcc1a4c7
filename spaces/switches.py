"""Parts of a network that can be left out, to see what they are worth."""

from __future__ import annotations

from spaces.params import Categorical


def batch_norm_switch() -> Categorical:
    """With or without BatchNorm."""
    return Categorical("batch_norm", (True, False))


def residual_switch() -> Categorical:
    """With or without shortcuts."""
    return Categorical("residual", (True, False))


def dropout_switch(probability: float) -> Categorical:
    """Without dropout or with this probability."""
    return Categorical("dropout", (0.0, probability))
