"""What the network and its images vary by: depth, width, dropout, parts, augmentation."""

from __future__ import annotations

from spaces.params import Categorical, Float, Int


def wide_resnet_depth(low: int, high: int) -> Int:
    """Return depths with (depth − 4) a multiple of 6: a WideResNet's three equal groups."""
    return Int("depth", low, high, step=6)


def depths(*choices: int) -> Categorical:
    """Return a choice of just these depths, such as the members of the ResNet family."""
    return Categorical("depth", choices)


def width(low: int, high: int) -> Int:
    """Return the multiplier of the channels, in [low, high]."""
    return Int("width", low, high)


def dropout(high: float) -> Float:
    """Return dropout in [0, high]; 0 leaves the layer out."""
    return Float("dropout", 0.0, high)


def batch_norm_switch() -> Categorical:
    """Return the choice of with or without BatchNorm."""
    return Categorical("batch_norm", (True, False))


def residual_switch() -> Categorical:
    """Return the choice of with or without shortcuts."""
    return Categorical("residual", (True, False))


def dropout_switch(probability: float) -> Categorical:
    """Return the choice of no dropout or this probability."""
    return Categorical("dropout", (0.0, probability))


def augmentations(*choices: str) -> Categorical:
    """Return the choice of none, flip, crop_flip, crop_flip_cutout."""
    return Categorical("augment", choices)
