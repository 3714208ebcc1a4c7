"""Tick marks of a log axis, labelled the same way on the page and in pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def log_ticks(values: Sequence[float]) -> list[tuple[float, str]]:
    """Positions and labels: 1, 2, 5 of each decade, or the decades alone where there are many."""
    real = [value for value in values if math.isfinite(value) and value > 0]
    if not real:
        return []
    low, high = min(real), max(real)
    span = math.log10(high / low)
    mantissas: tuple[float, ...] = (1, 2, 5) if span <= 1.7 else (1, 3) if span <= 2.2 else (1,)
    if span < 0.5:
        mantissas = (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    found = [(float(f"{m}e{d}"), m, d) for d in decades for m in mantissas]
    margin = 10 ** (0.06 * span + 0.01)
    return [(v, _label(v, m, d)) for v, m, d in found if low / margin <= v <= high * margin]


def _label(value: float, mantissa: float, decade: int) -> str:
    if -4 <= decade <= 5:
        return f"{value:,.{max(0, -decade) + (1 if mantissa == 1.5 else 0)}f}"
    power = f"10{str(decade).translate(_SUPERSCRIPTS)}"
    return power if mantissa == 1 else f"{mantissa}·{power}"
