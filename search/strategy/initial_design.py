"""A study's first draws: spread over the space, every other one closer around the baseline."""

from __future__ import annotations

from typing import Any

from search.strategy.distributions import share_of, value_at
from search.strategy.sobol import sobol_points
from spaces.params import Categorical
from spaces.space import ResolvedSpace

BELOW_1 = 1 - 1e-9


def first_draw(space: ResolvedSpace, seed: int, index: int) -> dict[str, Any]:
    """Point ``index`` of a scrambled Sobol sequence; of odd ones, numbers lie half as far from the
    baseline's, each on its parameter's scale."""
    point = next(sobol_points(space, seed, index))
    if index % 2 == 0:
        return point
    for parameter in space.parameters:
        if not isinstance(parameter, Categorical):
            name = parameter.name
            ends = share_of(parameter, point[name]), share_of(parameter, space.baseline[name])
            point[name] = value_at(parameter, min(max(sum(ends) / 2, 0.0), BELOW_1))
    return point
