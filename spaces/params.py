"""Parameters: what one hyperparameter may be. Intervals are closed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


class SpaceError(ValueError):
    """A space, or a value for it, that breaks a rule; one line with value, rule and remedy."""


@dataclass(frozen=True)
class Float:
    """A number in [low, high], sampled on a log scale with ``log``."""

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        _check_interval(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise SpaceError(f"{self.name}: a log scale needs low above 0, got {self.low!r}")

    def check(self, value: Any) -> None:
        _check_number(self.name, value)
        if not self.low <= value <= self.high:
            raise SpaceError(f"{self.name} must be in [{self.low:g}, {self.high:g}], got {value!r}")

    def describe(self) -> str:
        return f"{self.low:g} … {self.high:g}{', log' if self.log else ''}"

    def grid(self, points: int = 3) -> tuple[float, ...]:
        """``points`` values evenly spread over the interval, ends included."""
        if points < 2:
            raise SpaceError(f"{self.name}: a grid needs at least 2 points, got {points}")
        if self.low == self.high:
            return (self.low,)
        if self.log:
            ratio = math.log(self.high / self.low) / (points - 1)
            inner = [self.low * math.exp(i * ratio) for i in range(1, points - 1)]
        else:
            step = (self.high - self.low) / (points - 1)
            inner = [self.low + i * step for i in range(1, points - 1)]
        return (self.low, *inner, self.high)


@dataclass(frozen=True)
class Int:
    """A whole number low, low + step, … up to high, sampled on a log scale with ``log``."""

    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        _check_interval(self.name, self.low, self.high)
        if self.step < 1 or (self.high - self.low) % self.step:
            raise SpaceError(
                f"{self.name}: step must divide high - low = {self.high - self.low}, "
                f"got {self.step}"
            )
        if self.log and (self.low < 1 or self.step != 1):
            raise SpaceError(f"{self.name}: a log scale needs low of at least 1 and step 1")

    def check(self, value: Any) -> None:
        _check_number(self.name, value)
        inside = self.low <= value <= self.high and (value - self.low) % self.step == 0
        if not inside:
            steps = f" in steps of {self.step}" if self.step > 1 else ""
            raise SpaceError(
                f"{self.name} must be in [{self.low}, {self.high}]{steps}, got {value!r}"
            )

    def describe(self) -> str:
        step = f", step {self.step}" if self.step > 1 else ""
        return f"{self.low} … {self.high}{step}{', log' if self.log else ''}"

    def grid(self) -> range:
        """Every value."""
        return range(self.low, self.high + 1, self.step)


@dataclass(frozen=True)
class Categorical:
    """One of ``choices``, without order between them."""

    name: str
    choices: tuple[bool | int | float | str, ...]

    def __post_init__(self) -> None:
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise SpaceError(f"{self.name}: choices must be distinct and not empty")

    def check(self, value: Any) -> None:
        if value not in self.choices:
            known = ", ".join(map(str, self.choices))
            raise SpaceError(f"{self.name} must be one of {known}, got {value!r}")

    def describe(self) -> str:
        return ", ".join(map(str, self.choices))

    def grid(self) -> tuple[bool | int | float | str, ...]:
        """Every choice."""
        return self.choices


Parameter = Float | Int | Categorical


def _check_interval(name: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise SpaceError(f"{name}: needs finite low <= high, got [{low!r}, {high!r}]")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SpaceError(f"{name} must be a number, got {value!r}")
