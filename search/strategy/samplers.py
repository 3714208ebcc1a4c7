"""Samplers by name, made so that a trial's parameters follow from its number.

Optuna's samplers draw from one generator that starts anew with every process; here each trial
has a sampler of its own, seeded from (seed, number). A study that is resumed draws what it would
have drawn. Points that break a constraint of the space are drawn again.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.common.errors import UserError
from search.storage.optuna_internals import enqueued_params
from search.strategy.recent_trials import with_recent_trials
from search.strategy.sobol import sobol_point
from spaces.params import Float, Parameter
from spaces.space import ScaledSpace
from trainers.seeds import derive_seed

ATTEMPTS = 100
MOST_GRID_POINTS = 10_000

Distributions = dict[str, BaseDistribution]


def _tpe(seed: int) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    with warnings.catch_warnings():  # the name is ours to offer; the warning is not the user's
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed, deterministic_objective=False)


PER_TRIAL: Mapping[str, Callable[[int], BaseSampler]] = {"tpe": _tpe, "random": _random, "gp": _gp}
SAMPLERS = ("tpe", "random", "gp", "qmc", "grid")


def make_sampler(
    name: str, space: ScaledSpace, space_distributions: Distributions, seed: int
) -> BaseSampler:
    """The sampler ``name`` of the table ``SAMPLERS`` for ``space``."""
    if name == "grid":
        return GridSampler(grid_points(space))
    return NumberedSampler(name, space, space_distributions, seed)


class NumberedSampler(BaseSampler):
    """All parameters of trial ``n`` from a sampler seeded by (seed, n), constraints kept."""

    def __init__(self, name: str, space: ScaledSpace, search_space: Distributions, seed: int):
        self._name = name
        self._space = space
        self._search_space = search_space
        self._seed = seed
        # What Optuna would find out from all trials; sorted by name, as it does.
        self._varying = {
            name: distribution
            for name, distribution in sorted(search_space.items())
            if not distribution.single()
        }

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return self._search_space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Any]:
        given = {**enqueued_params(trial), **trial.params}
        if set(search_space) <= set(given):
            return given  # enqueued or resumed: it has what it needs
        for attempt in range(ATTEMPTS):
            point = {**self._draw(study, trial, attempt), **given}
            if self._space.broken_constraint(point) is None:
                break
        return {name: point[name] for name in search_space}

    def _draw(self, study: Study, trial: FrozenTrial, attempt: int) -> dict[str, Any]:
        if self._name == "qmc" and attempt == 0:
            return sobol_point(self._space, derive_seed(self._seed, "qmc"), trial.number)
        make = PER_TRIAL.get(self._name, _random)
        sampler = make(derive_seed(self._seed, "trial", trial.number, attempt) % 2**32)
        recent = with_recent_trials(study)
        point = sampler.sample_relative(recent, trial, self._varying)
        for name, distribution in self._search_space.items():
            if name not in point:
                point[name] = sampler.sample_independent(recent, trial, name, distribution)
        return point

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is not part of the space")

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Nothing: what a sampler learns, it reads from the study."""


class GridSampler(BaseSampler):
    """Trial ``n`` gets point ``n`` of a fixed list, so any process gives the same."""

    def __init__(self, points: Sequence[Mapping[str, Any]]):
        self.points = points

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Distributions:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Distributions
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.points[trial.number % len(self.points)][param_name]


def grid_points(space: ScaledSpace) -> list[dict[str, Any]]:
    """The product of all parameters' grids that keeps the constraints, the recipe first.

    Raises ``UserError`` where the product is too large to be meant.
    """
    recipe = space.baseline()
    grids = [_grid_through(parameter, recipe[parameter.name]) for parameter in space.parameters]
    size = math.prod(map(len, grids))
    if size > MOST_GRID_POINTS:
        raise UserError(
            f"the grid of this space must have at most {MOST_GRID_POINTS:,} points, got {size:,}; "
            "fix parameters with --set or choose another --sampler"
        )
    points = [dict(zip(recipe, values, strict=True)) for values in itertools.product(*grids)]
    others = [p for p in points if p != recipe and space.broken_constraint(p) is None]
    return [recipe, *others]


def _grid_through(parameter: Parameter, value: Any) -> list[Any]:
    """The parameter's grid, where a point that rounding moved off the recipe is put back."""
    if not isinstance(parameter, Float):
        return list(parameter.grid())
    return [value if math.isclose(point, value) else point for point in parameter.grid()]
