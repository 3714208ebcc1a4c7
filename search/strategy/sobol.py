"""A scrambled Sobol sequence over a space (Sobol 1967, Owen 1998): even cover without a grid."""

from __future__ import annotations

import math
from typing import Any

from spaces.params import Float, Int, Parameter
from spaces.space import ScaledSpace

ATTEMPTS = 100


def sobol_point(space: ScaledSpace, seed: int, number: int) -> dict[str, Any]:
    """Point ``number`` of those of the sequence that keep the constraints.

    It follows from seed and number alone: Optuna's own sampler counts its points in the study,
    and a crash between a count and the parameters would shift all that follow. Where the
    constraints leave next to nothing, a point that breaks them is returned.
    """
    from scipy.stats import qmc

    if not space.parameters:
        return {}
    engine = qmc.Sobol(len(space.parameters), seed=seed, scramble=True)
    kept = -1
    for _ in range((number + 1) * ATTEMPTS):
        shares = engine.random(1)[0]
        point = {p.name: _at(p, float(u)) for p, u in zip(space.parameters, shares, strict=True)}
        kept += space.broken_constraint(point) is None
        if kept == number:
            break
    return point


def _at(parameter: Parameter, share: float) -> Any:
    """The value with ``share`` (in [0, 1)) of the parameter's scale below it."""
    if isinstance(parameter, Float):
        return _between(parameter.low, parameter.high, share, parameter.log)
    if isinstance(parameter, Int) and parameter.log:
        # Half a step more at both ends, so that the ends are as likely as the rest.
        value = round(_between(parameter.low - 0.5, parameter.high + 0.5, share, log=True))
        return min(max(value, parameter.low), parameter.high)
    values = parameter.grid()
    return values[int(share * len(values))]


def _between(low: float, high: float, share: float, log: bool) -> float:
    if not log:
        return low + share * (high - low)
    return min(high, max(low, low * math.exp(share * math.log(high / low))))
