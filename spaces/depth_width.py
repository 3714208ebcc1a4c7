"""Depth and width of a network."""

from __future__ import annotations

from spaces.params import Categorical, Int


def wide_resnet_depth(low: int, high: int) -> Int:
    """Depths with (depth − 4) a multiple of 6: a WideResNet's three equal groups."""
    return Int("depth", low, high, step=6)


def depths(*choices: int) -> Categorical:
    """Just these, such as the members of the ResNet family."""
    return Categorical("depth", choices)


def width(low: int, high: int) -> Int:
    """The channels' multiplier, in [low, high]."""
    return Int("width", low, high)
