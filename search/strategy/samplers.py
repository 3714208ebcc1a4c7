"""The table of samplers: name, what ``--help`` says of it, and how it is made.

Implementations are imported where they are made, so that ``--help`` loads none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from spaces.space import ResolvedSpace

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


STARTUP = 30  # trials before TPE learns: with Optuna's 10 it settled too early on what it knew
EXPLORE = 3  # one in so many draws is random ever after, as in BOHB (Falkner et al. 2018)


class Sampler(NamedTuple):
    """A sampler's entry; ``make`` gets the space and the sampler's seed."""

    help: str
    make: Callable[[ResolvedSpace, int], BaseSampler]


def make_sampler(name: str, space: ResolvedSpace, seed: int) -> BaseSampler:
    """Return the sampler ``name`` of ``SAMPLERS`` for ``space``."""
    return SAMPLERS[name].make(space, seed)


def _tpe(space: ResolvedSpace, seed: int) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    from search.strategy.seeded_sampler import PerTrialSampler

    def make(trial_seed: int) -> BaseSampler:
        if trial_seed % EXPLORE == 0:
            return RandomSampler(trial_seed)
        return TPESampler(n_startup_trials=STARTUP, seed=trial_seed)

    return PerTrialSampler(space, seed, make, spread=1 + STARTUP)  # trial 0 is the baseline


def _random(space: ResolvedSpace, seed: int) -> BaseSampler:
    from optuna.samplers import RandomSampler

    from search.strategy.seeded_sampler import PerTrialSampler

    return PerTrialSampler(space, seed, RandomSampler, proposals=1000)  # they cost nothing


def _gp(space: ResolvedSpace, seed: int) -> BaseSampler:
    import warnings

    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import GPSampler

    from search.strategy.history import as_if_completed
    from search.strategy.seeded_sampler import PerTrialSampler

    def make(trial_seed: int) -> BaseSampler:
        with warnings.catch_warnings():  # the name is ours to offer; the warning is not the user's
            warnings.simplefilter("ignore", ExperimentalWarning)
            return GPSampler(seed=trial_seed)

    return PerTrialSampler(space, seed, make, see=as_if_completed, proposals=1)


def _qmc(space: ResolvedSpace, seed: int) -> BaseSampler:
    from search.strategy.seeded_sampler import PerTrialSampler
    from search.strategy.sobol import SobolSampler

    return PerTrialSampler(space, seed, lambda _: SobolSampler(space, seed), proposals=1)


def _grid(space: ResolvedSpace, seed: int) -> BaseSampler:
    from search.strategy.grid import GridSampler

    return GridSampler(space)


SAMPLERS: Mapping[str, Sampler] = {
    "tpe": Sampler("tree-structured Parzen estimator, learns from what was tried", _tpe),
    "random": Sampler("uniform on each parameter's scale", _random),
    "gp": Sampler("Gaussian process, learns from what was tried", _gp),
    "qmc": Sampler("scrambled Sobol sequence: even cover", _qmc),
    "grid": Sampler("every combination of each parameter's grid, the baseline first", _grid),
}
