"""The interval of the learning rate after a range test."""

from __future__ import annotations

from dataclasses import replace

from spaces.params import Float
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig

DEFAULT_STEPS = 300  # mini-batches of report C's test
FACTOR = 10.0  # the suggestion is searched around this far, up and down


def lr_parameter(space: ResolvedSpace) -> Float | None:
    """The learning rate, where it varies over an interval."""
    found = [p for p in space.parameters if p.name == "lr" and isinstance(p, Float)]
    return found[0] if found else None


def narrowed(space: ResolvedSpace, suggestion: float, config: TrainConfig) -> ResolvedSpace:
    """``space`` with its learning rate in [suggestion / 10, suggestion · 10].

    The interval never leaves the space's own and always holds the recipe's rate, which trial 0
    has. A suggestion that lies too far outside leaves the space as it is. With linear scaling,
    the suggested rate of a step is first turned into the rate that the configuration names.
    """
    lr = lr_parameter(space)
    assert lr is not None
    named = suggestion * config.lr / config.initial_lr
    low, high = max(lr.low, _round(named / FACTOR)), min(lr.high, _round(named * FACTOR))
    if low >= high:
        return space
    return with_interval(space, min(low, space.baseline["lr"]), max(high, space.baseline["lr"]))


def with_interval(space: ResolvedSpace, low: float, high: float) -> ResolvedSpace:
    """``space`` with its learning rate in [low, high]."""
    parameters = tuple(
        replace(p, low=low, high=high) if p.name == "lr" and isinstance(p, Float) else p
        for p in space.parameters
    )
    return replace(space, parameters=parameters)


def _round(rate: float) -> float:
    return float(f"{rate:.3g}")
