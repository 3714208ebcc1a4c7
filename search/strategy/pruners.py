"""The table of pruners: name, what ``--help`` says of it, and how it is made.

Implementations are imported where they are made, so that ``--help`` loads none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

FIRST_RUNG, FACTOR = 2, 2  # 2.8 times fewer epochs than no pruning, and never missed the best
BRACKET_FACTOR = 3
PROMOTION = "promotion"


class Pruner(NamedTuple):
    """A pruner's entry; ``make`` gets the number of epochs of a whole trial."""

    help: str
    make: Callable[[int], BasePruner]


def make_pruner(name: str, epochs: int) -> BasePruner:
    """Return the pruner ``name`` of ``PRUNERS`` for trials of ``epochs`` epochs."""
    return PRUNERS[name].make(epochs)


def _halving(epochs: int) -> BasePruner:
    from search.strategy.halving import HalvingPruner

    return HalvingPruner(FIRST_RUNG, FACTOR)


def _hyperband(epochs: int) -> BasePruner:
    from search.strategy.halving import HyperbandPruner

    return HyperbandPruner(epochs, BRACKET_FACTOR)


def _median(epochs: int) -> BasePruner:
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=4, n_warmup_steps=2)


def _promotion(epochs: int) -> BasePruner:
    from search.strategy.promotion import PromotionPruner, PromotionRule

    return PromotionPruner(PromotionRule(epochs))


def _none(epochs: int) -> BasePruner:
    from optuna.pruners import NopPruner

    return NopPruner()


PRUNERS: Mapping[str, Pruner] = {
    PROMOTION: Pruner("pauses trials at epochs 1, 3, 9, … and promotes the best", _promotion),
    "halving": Pruner(f"successive halving from epoch {FIRST_RUNG}, factor {FACTOR}", _halving),
    "hyperband": Pruner(f"halving from several first epochs, factor {BRACKET_FACTOR}", _hyperband),
    "median": Pruner("stops what is worse than the median at the same epoch", _median),
    "none": Pruner("every trial runs to its end", _none),
}
