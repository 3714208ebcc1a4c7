"""A scrambled Sobol sequence over a space (Sobol 1967, Owen 1998): even cover without a grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.strategy.distributions import distributions, share_of, value_at
from spaces.params import Categorical
from spaces.space import ResolvedSpace
from trainers.seeds import derive_seed

BLOCK = 64
BELOW_1 = 1 - 1e-9
MOST_POINTS = 10_000  # looked at for one that keeps the constraints, a quarter of a second


class SobolSampler(BaseSampler):
    """Trial ``n`` gets point ``n`` of those of the sequence that keep the space's constraints.

    It follows from seed and number alone: Optuna's own sampler counts its points in the study,
    and a crash between a count and the parameters would shift all that follow. Where the
    constraints leave next to nothing, a point that breaks them is returned. A point has all
    parameters, also those that do not exist beside the others.
    """

    def __init__(self, space: ResolvedSpace, seed: int):
        self._space = space
        self._seed = derive_seed(seed, "qmc")

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return distributions(self._space.parameters)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not self._space.parameters:
            return {}
        if not self._space.definition.constraints:
            return next(sobol_points(self._space, self._seed, trial.number))
        kept = -1
        for point in itertools.islice(sobol_points(self._space, self._seed), MOST_POINTS):
            kept += self._space.broken_constraint(self._space.active(point)) is None
            if kept == trial.number:
                break
        return point

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is not part of the space")


def sobol_points(space: ResolvedSpace, seed: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the sequence's points from number ``first`` on, whatever the space's constraints
    say."""
    from scipy.stats import qmc

    parameters = space.parameters
    engine = qmc.Sobol(len(parameters), seed=seed, scramble=True)
    if first:
        engine.fast_forward(first)
    while True:
        for shares in engine.random(BLOCK):
            yield {p.name: value_at(p, float(u)) for p, u in zip(parameters, shares, strict=True)}


def first_draw(space: ResolvedSpace, seed: int, index: int) -> dict[str, Any]:
    """Returns one of a study's first draws: point ``index`` of a scrambled Sobol sequence; of odd
    ones, numbers lie half as far from the baseline's, each on its parameter's scale."""
    point = next(sobol_points(space, seed, index))
    if index % 2 == 0:
        return point
    for parameter in space.parameters:
        if not isinstance(parameter, Categorical):
            name = parameter.name
            ends = share_of(parameter, point[name]), share_of(parameter, space.baseline[name])
            point[name] = value_at(parameter, min(max(sum(ends) / 2, 0.0), BELOW_1))
    return point
