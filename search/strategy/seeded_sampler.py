"""A sampler made such that a trial's parameters follow from its number.

Optuna's samplers draw from one generator that starts anew with every process; here each trial
has a sampler of its own, seeded from (seed, number). A study that is resumed draws what it would
have drawn. Points that break a constraint of the space are drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.storage.optuna_internals import enqueued_params, with_trials
from search.strategy.distributions import distributions, value_at
from search.strategy.history import recent_trials
from search.strategy.sobol import first_draw
from spaces.params import Parameter
from spaces.space import ResolvedSpace
from trainers.seeds import derive_seed

MOST_DRAWS, DRAWS_ALIKE = 10_000, 100  # a quarter of a second in all


class PerTrialSampler(BaseSampler):
    """Draws all parameters of trial ``n`` from the sampler that ``make`` makes of (seed, n).

    It sees the study's trials as ``see`` has them, and may propose ``proposals`` points until one
    keeps the constraints of the space. The first ``spread`` trials are first draws, in place of
    what the sampler would draw before it has seen enough to learn from.
    """

    def __init__(
        self,
        space: ResolvedSpace,
        seed: int,
        make: Callable[[int], BaseSampler],
        see: Callable[[Study], list[FrozenTrial]] = recent_trials,
        proposals: int = 10,
        spread: int = 0,
    ):
        self._space = space
        self._seed = seed
        self._make = make
        self._see = see
        self._proposals = proposals
        self._spread = spread
        self._distributions = distributions(space.parameters)
        self._groups = existing_together(space.parameters)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        given = {**enqueued_params(trial), **trial.params}
        if self._space.is_complete(given):
            return given  # enqueued, or resumed: it has what it needs
        if self._space.narrowed:  # whose interval may leave out the baseline's value
            trials = study.get_trials(deepcopy=False)
            study = with_trials(study, [t for t in trials if self._space.holds(t.params)])
        seen = self._see(study)
        for attempt in range(self._proposals):
            seed = derive_seed(self._seed, "trial", trial.number, attempt)
            if trial.number < self._spread:
                index = trial.number + attempt * self._spread
                proposed = first_draw(self._space, derive_seed(self._seed, "first"), index)
            else:
                proposed = self._propose(study, seen, trial, seed, given)
            point = self._space.active({**proposed, **given})
            if self._space.broken_constraint(point) is None:
                return point
        return nearest_feasible(self._space, point, given, seed)

    def _propose(
        self,
        study: Study,
        trials: list[FrozenTrial],
        trial: FrozenTrial,
        seed: int,
        given: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Sample each group together, from the trials that have it, as Optuna's TPE does with
        ``group``. A group that does not exist beside the values drawn before is left out."""
        sampler = self._make(seed % 2**32)
        point: dict[str, Any] = {}
        for group in self._groups:
            if not group[0].exists(self._space.active({**point, **given})):
                continue
            kinds = distributions(group)
            with_it = [t for t in trials if kinds.keys() <= t.params.keys()]
            seen = with_trials(study, with_it if group[0].condition else trials)
            # What Optuna would find out from all trials; sorted by name, as it does.
            varying = {name: kind for name, kind in sorted(kinds.items()) if not kind.single()}
            point |= sampler.sample_relative(seen, trial, varying)
            for name, kind in kinds.items():
                if name not in point:
                    point[name] = sampler.sample_independent(seen, trial, name, kind)
        return point

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is not part of the space")


def existing_together(parameters: Sequence[Parameter]) -> list[list[Parameter]]:
    """Return groups of parameters with the same conditions; those that always exist come first."""
    groups: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(repr(sorted(parameter.conditions.items())), []).append(parameter)
    return list(groups.values())


def nearest_feasible(
    space: ResolvedSpace, point: Mapping[str, Any], given: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """Return ``point`` with as many values drawn anew as it takes to keep the constraints: one at
    first, then more. ``given`` values stay. Where no draw will do, ``point`` itself."""
    draw = random.Random(seed)
    free = [parameter for parameter in space.parameters if parameter.name not in given]
    other = {p.name: value_at(p, draw.random()) for p in free if p.name not in point}
    for attempt in range(MOST_DRAWS if free else 0):
        changed = draw.sample(free, min(len(free), 1 + attempt // DRAWS_ALIKE))
        new = {p.name: value_at(p, draw.random()) for p in changed}
        drawn = space.active({**other, **point, **new})
        if space.broken_constraint(drawn) is None:
            return drawn
    return dict(point)
