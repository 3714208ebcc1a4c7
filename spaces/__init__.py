"""What may vary. ``SPACES`` is the table of named spaces; only the one asked for is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces.space import Space

SPACES: Mapping[str, str] = {
    "resnet50_cosine": "spaces.named.resnet50_cosine",
    "lenet_batch": "spaces.named.lenet_batch",
    "lenet_epochs": "spaces.named.lenet_epochs",
    "resnet9_plain": "spaces.named.resnet9_plain",
    "resnet9_lr_range": "spaces.named.resnet9_lr_range",
    "cnn200": "spaces.named.cnn200",
    "resnet200": "spaces.named.resnet200",
    "wrn_sam": "spaces.named.wrn_sam",
}


def named_space(name: str) -> Space:
    """Return the space of the table; ``KeyError`` where there is none."""
    return import_module(SPACES[name]).SPACE
