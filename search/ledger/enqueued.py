"""Trials that a user enqueued: whether the values asked for lie in the space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spaces.params import SpaceError
from spaces.space import ScaledSpace


def wish_fault(space: ScaledSpace, wish: Mapping[str, Any]) -> str | None:
    """Why ``wish``, some of a trial's values given beforehand, cannot be tried; None if it can."""
    parameters = {parameter.name: parameter for parameter in space.parameters}
    for name, value in wish.items():
        if name not in parameters:
            return f"{name!r} does not vary in this space"
        try:
            parameters[name].check(value)
        except SpaceError as error:
            return str(error)
    return None
