"""Numbers, settings and durations as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def number(value: Any) -> str:
    """Return a value in the fewest digits that tell it apart."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def settings(params: Mapping[str, Any]) -> str:
    """Return settings as ``lr=0.05 depth=16``."""
    return " ".join(f"{name}={number(value)}" for name, value in params.items())


def duration(seconds: float) -> str:
    """Return a duration as ``45 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
