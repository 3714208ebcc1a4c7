"""ρ of SAM: how far it climbs before it takes the gradient."""

from __future__ import annotations

from spaces.params import Float


def sam_rho(low: float, high: float) -> Float:
    """In [low, high], on a log scale. Foret et al. tried 0.01 to 0.5."""
    return Float("rho", low, high, log=True)
