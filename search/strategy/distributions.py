"""Parameters of a space as Optuna's distributions."""

from __future__ import annotations

from collections.abc import Iterable

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from spaces.params import Categorical, Float, Int, Parameter


def distribution(parameter: Parameter) -> BaseDistribution:
    """The distribution with the same closed interval, step and scale."""
    if isinstance(parameter, Float):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Int):
        return IntDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    assert isinstance(parameter, Categorical)
    return CategoricalDistribution(parameter.choices)


def distributions(parameters: Iterable[Parameter]) -> dict[str, BaseDistribution]:
    """Name to distribution, in the space's order."""
    return {parameter.name: distribution(parameter) for parameter in parameters}
