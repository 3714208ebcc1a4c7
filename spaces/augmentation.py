"""Augmentation of the training images, by the name of its policy."""

from __future__ import annotations

from spaces.params import Categorical


def augmentations(*choices: str) -> Categorical:
    """Of none, flip, crop_flip, crop_flip_cutout."""
    return Categorical("augment", choices)
