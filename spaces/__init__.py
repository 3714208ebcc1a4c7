"""What may vary. ``SPACES`` is the table of named spaces; only the one asked for is imported."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spaces.space import Space

SPACES: Mapping[str, str] = {
    "wrn_sam": "spaces.wrn_sam",
}


def named_space(name: str) -> Space:
    """The space of the table; ``KeyError`` where there is none."""
    return import_module(SPACES[name]).SPACE
