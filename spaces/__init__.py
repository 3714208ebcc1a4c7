"""What may vary. ``SPACES`` is the table of named spaces; only the one asked for is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces.space import Space

SPACES: Mapping[str, str] = {
    "resnet50_cosine": "spaces.resnet50_cosine",
    "lenet_batch": "spaces.lenet_batch",
    "lenet_epochs": "spaces.lenet_epochs",
    "resnet9_plain": "spaces.resnet9_plain",
    "resnet9_lr_range": "spaces.resnet9_lr_range",
    "cnn200": "spaces.cnn200",
    "resnet200": "spaces.resnet200",
    "wrn_sam": "spaces.wrn_sam",
}


def named_space(name: str) -> Space:
    """The space of the table; ``KeyError`` where there is none."""
    return import_module(SPACES[name]).SPACE
