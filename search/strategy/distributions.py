"""Parameters of a space as Optuna's distributions, and as shares of their scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from search.storage.optuna_internals import enqueued_params, suggest
from spaces.params import Categorical, Float, Int, Parameter, SpaceError
from spaces.space import ResolvedSpace
from trainers.failpoints import failpoint


def distribution(parameter: Parameter) -> BaseDistribution:
    """Return the distribution with the same closed interval, step and scale."""
    if isinstance(parameter, Float):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Int):
        return IntDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    assert isinstance(parameter, Categorical)
    return CategoricalDistribution(parameter.choices)


def distributions(parameters: Iterable[Parameter]) -> dict[str, BaseDistribution]:
    """Return the distributions by name, in the space's order."""
    return {parameter.name: distribution(parameter) for parameter in parameters}


def draw(trial: Trial, space: ResolvedSpace) -> None:
    """Gives ``trial`` its parameters, each that exists beside those before it."""
    for parameter in space.parameters:
        if not parameter.condition or parameter.exists(trial.params):
            suggest(trial, parameter.name, distribution(parameter))
            failpoint("parameter drawn")


def enqueued_fault(trial: Trial, space: ResolvedSpace) -> str | None:
    """Returns why the values that a user enqueued for ``trial`` are outside the space, in which
    case it has no parameters; None for any other trial."""
    given = enqueued_params(trial)
    parameters = {parameter.name: parameter for parameter in space.parameters}
    for name, value in given.items():
        if name not in parameters:
            return f"{name!r} does not vary in this space"
        try:
            space.check(name, value)
        except SpaceError as error:
            return str(error)
    for parameter in (parameters[name] for name in given):
        if parameter.condition.keys() <= given.keys() and not parameter.exists(given):
            return f"{parameter.name} exists{parameter.only_with().removeprefix(',')}"
    return None


def value_at(parameter: Parameter, share: float) -> Any:
    """Return the value with ``share`` (in [0, 1)) of the parameter's scale below it."""
    if isinstance(parameter, Categorical):
        return parameter.choices[int(share * len(parameter.choices))]
    low, high = parameter.low, parameter.high
    if isinstance(parameter, Float):
        return _between(low, high, share, parameter.log)
    if parameter.log:
        # Half a step more at both ends, so that the ends are as likely as the rest.
        return min(max(round(_between(low - 0.5, high + 0.5, share, log=True)), low), high)
    return low + parameter.step * int(share * ((high - low) // parameter.step + 1))


def share_of(parameter: Float | Int, value: float) -> float:
    """Return the share of the parameter's scale, in [0, 1], that lies below ``value``: ``value_at``
    the other way round; of an integer, up to its middle."""
    low, high = parameter.low, parameter.high
    if isinstance(parameter, Int) and parameter.log:
        return math.log(value / (low - 0.5)) / math.log((high + 0.5) / (low - 0.5))
    if isinstance(parameter, Int):
        step = parameter.step
        return ((value - low) / step + 0.5) / ((high - low) // step + 1)
    if high == low:
        return 0.0
    if parameter.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _between(low: float, high: float, share: float, log: bool) -> float:
    if not log:
        return low + share * (high - low)
    return min(high, max(low, low * math.exp(share * math.log(high / low))))
