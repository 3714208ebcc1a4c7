"""The table of samplers: name, what ``--help`` says of it, and how it is made.

Implementations are imported where they are made, so that ``--help`` loads none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from spaces.space import ScaledSpace

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


class Sampler(NamedTuple):
    """``make`` gets the space and the sampler's seed."""

    help: str
    make: Callable[[ScaledSpace, int], BaseSampler]


def make_sampler(name: str, space: ScaledSpace, seed: int) -> BaseSampler:
    """The sampler ``name`` of ``SAMPLERS`` for ``space``."""
    return SAMPLERS[name].make(space, seed)


def _per_trial(space: ScaledSpace, seed: int, make: Callable[[int], BaseSampler]) -> BaseSampler:
    from search.strategy.per_trial import PerTrialSampler

    return PerTrialSampler(space, seed, make)


def _tpe(space: ScaledSpace, seed: int) -> BaseSampler:
    from optuna.samplers import TPESampler

    return _per_trial(space, seed, lambda trial_seed: TPESampler(seed=trial_seed))


def _random(space: ScaledSpace, seed: int) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return _per_trial(space, seed, RandomSampler)


def _gp(space: ScaledSpace, seed: int) -> BaseSampler:
    from search.strategy.gp import GPSampler

    return _per_trial(space, seed, GPSampler)


def _qmc(space: ScaledSpace, seed: int) -> BaseSampler:
    from search.strategy.sobol import SobolSampler

    return _per_trial(space, seed, lambda _: SobolSampler(space, seed))


def _grid(space: ScaledSpace, seed: int) -> BaseSampler:
    from search.strategy.grid import GridSampler

    return GridSampler(space)


SAMPLERS: Mapping[str, Sampler] = {
    "tpe": Sampler("tree-structured Parzen estimator, learns from what was tried", _tpe),
    "random": Sampler("uniform on each parameter's scale", _random),
    "gp": Sampler("Gaussian process, learns from what was tried", _gp),
    "qmc": Sampler("scrambled Sobol sequence: even cover", _qmc),
    "grid": Sampler("every combination of each parameter's grid, the recipe first", _grid),
}
