"""Every combination of the parameters' grids, each once, whatever else is tried beside them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from search.common.errors import UserError
from search.storage.optuna_internals import enqueued_params
from search.strategy.distributions import distributions
from spaces.params import Float, Parameter
from spaces.space import ResolvedSpace

MOST_ROWS = 10_000

Row = dict[str, Any]


class GridSampler(BaseSampler):
    """Gives a trial the first row of the grid that no other trial has or is to have.

    A row that failed comes again after all others only.
    """

    def __init__(self, space: ResolvedSpace):
        self._space = space
        self._rows = {_key(row): row for row in grid_rows(space)}
        self._distributions = distributions(space.parameters)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> Row:
        given = _values(trial)  # enqueued, or drawn before a crash
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        tried = Counter(_key(_values(other)) for other in others)
        taken = {_key(_values(other)) for other in others if other.state != TrialState.FAIL}
        fitting = [k for k, row in self._rows.items() if not given or _key(row | given) == k]
        first = min(fitting or self._rows, key=lambda key: (key in taken, tried[key]))
        row = {
            **self._space.baseline,
            **self._rows[first],
            **given,
        }  # which need not be on the grid
        return self._space.active(row)

    def latest_of_rows(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Return the latest trial of each row that was asked for."""
        latest = {_key(_values(trial)): trial for trial in trials}
        return [latest[key] for key in self._rows if key in latest]

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is not part of the space")


def towards_total(sampler: BaseSampler, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
    """Return those of a study's ``trials`` that count towards its total. A grid counts its rows."""
    return sampler.latest_of_rows(trials) if isinstance(sampler, GridSampler) else trials


def _values(trial: FrozenTrial) -> Row:
    """Return what ``trial`` was given beforehand or drew."""
    return {**enqueued_params(trial), **trial.params}


def _key(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return a key that is equal for values that differ by rounding only."""
    return tuple(
        (name, float(f"{value:.9g}") if isinstance(value, float) else value)
        for name, value in sorted(values.items())
    )


def grid_rows(space: ResolvedSpace) -> list[Row]:
    """Return the product of all parameters' grids that keeps the constraints, the baseline first;
    of rows that differ in parameters that do not exist, one.

    Raises ``UserError`` where the product is too large to be meant.
    """
    baseline = space.baseline_params()
    size = math.prod(len(parameter.grid()) for parameter in space.parameters)
    if size > MOST_ROWS:
        raise UserError(
            f"the grid of this space must have at most {MOST_ROWS:,} points, got {size:,}; "
            "fix parameters with --set or choose another --sampler"
        )
    grids = [_grid_through(p, space.baseline[p.name]) for p in space.parameters]
    names = [parameter.name for parameter in space.parameters]
    points = (dict(zip(names, values, strict=True)) for values in itertools.product(*grids))
    rows = {_key(row): row for row in map(space.active, points)}
    rows.pop(_key(baseline), None)
    return [baseline, *(row for row in rows.values() if space.broken_constraint(row) is None)]


def _grid_through(parameter: Parameter, value: Any) -> Sequence[Any]:
    """Return the parameter's grid, where a point that rounding moved off the baseline is put
    back."""
    if not isinstance(parameter, Float):
        return parameter.grid()
    return [value if math.isclose(point, value) else point for point in parameter.grid()]
