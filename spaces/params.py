"""Parameters: what one hyperparameter may be. Intervals are closed."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from spaces.kinds import wrong_kind


class SpaceError(ValueError):
    """A space, or a value for it, that breaks a rule; one line with value, rule and remedy."""

    def __init__(self, text: str):
        super().__init__(" ".join(text.split()))  # names and values may have line breaks


def as_python(value: Any) -> Any:
    """Return ``value``, Python's own where it is one of numpy's scalars, which JSON does not
    know."""
    is_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_scalar else value


def plain(what: str, value: Any) -> Any:
    """Return ``value`` as every database returns it: None, a bool, a finite number or a text.
    Raises ``SpaceError`` for anything else; ``what`` says whose value it is."""
    value = as_python(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise SpaceError(
        f"{what} must be None, a bool, a finite number or a text, got {value!r:.80}; give it a "
        "name, a text, and let the training function look it up"
    )


@dataclass(frozen=True, kw_only=True)
class Conditional:
    """``condition``: the parameter exists only where each of these others has that value, or one of
    that tuple of values."""

    condition: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)

    def _check_kinds(self, **others: Any) -> None:
        """Raises ``SpaceError`` unless the condition, and ``others`` of the fields, are of their
        declared types."""
        if fault := wrong_kind(type(self), {**others, "condition": self.condition}):
            raise SpaceError(f"a parameter's {fault}")
        for name, wanted in self.conditions.items():
            for value in wanted:
                plain(f"a parameter's condition on {name}", value)

    @property
    def conditions(self) -> dict[str, tuple[Any, ...]]:
        """The values of each other parameter with which this one exists."""
        return {
            name: value if isinstance(value, tuple) else (value,)
            for name, value in self.condition.items()
        }

    def exists(self, values: Mapping[str, Any]) -> bool:
        """Return whether the parameter exists beside ``values``."""
        return all(
            name in values and values[name] in wanted for name, wanted in self.conditions.items()
        )

    def only_with(self) -> str:
        """Return the condition in words, such as ``, only with optimizer=sgd``; empty where it
        always exists."""
        parts = [f"{k}={' or '.join(map(str, wanted))}" for k, wanted in self.conditions.items()]
        return f", only with {' and '.join(parts)}" if parts else ""

    def narrow(self, low: float, high: float) -> Self:
        """Return the parameter in [low, high], which must lie within its own interval."""
        raise SpaceError("a choice has no interval; fix it with --set")


@dataclass(frozen=True)
class Float(Conditional):
    """A number in [low, high], sampled on a log scale with ``log``."""

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        self._check_kinds(name=self.name, log=self.log)
        for end in ("low", "high"):
            object.__setattr__(self, end, as_python(getattr(self, end)))
        _check_interval(self.name, self.low, self.high)
        if self.log and self.low <= 0:
            raise SpaceError(f"{self.name}: a log scale needs low above 0, got {self.low!r}")

    def check(self, value: Any) -> None:
        _check_number(self.name, value)
        if not self.low <= value <= self.high:
            raise SpaceError(f"{self.name} must be in [{self.low:g}, {self.high:g}], got {value!r}")

    def describe(self) -> str:
        return f"{self.low:g} … {self.high:g}{', log' if self.log else ''}{self.only_with()}"

    def narrow(self, low: float, high: float) -> Self:
        return replace(self, **_within(self, float(low), float(high)))

    def grid(self, points: int = 3) -> tuple[float, ...]:
        """Return ``points`` values evenly spread over the interval, ends included."""
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
class Int(Conditional):
    """A whole number low, low + step, … up to high, sampled on a log scale with ``log``."""

    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        self._check_kinds(name=self.name, log=self.log)
        for name in ("low", "high", "step"):
            value = as_python(getattr(self, name))
            if isinstance(value, bool) or not isinstance(value, int):
                raise SpaceError(f"{self.name}: {name} must be a whole number, got {value!r}")
            object.__setattr__(self, name, value)
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
        return f"{self.low} … {self.high}{step}{', log' if self.log else ''}{self.only_with()}"

    def narrow(self, low: float, high: float) -> Self:
        return replace(self, **_within(self, low, high))

    def grid(self) -> range:
        """Return every value."""
        return range(self.low, self.high + 1, self.step)


@dataclass(frozen=True)
class Categorical(Conditional):
    """One of ``choices``, plain values without order between them."""

    name: str
    choices: tuple[bool | int | float | str | None, ...]

    def __post_init__(self) -> None:
        self._check_kinds(name=self.name)
        if not isinstance(self.choices, (tuple, list)):
            raise SpaceError(f"{self.name}: choices must be a tuple, got {self.choices!r:.60}")
        choices = tuple(plain(f"{self.name}: a choice", choice) for choice in self.choices)
        object.__setattr__(self, "choices", choices)
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise SpaceError(f"{self.name}: choices must be distinct and not empty")

    def check(self, value: Any) -> None:
        if plain(self.name, value) not in self.choices:
            known = ", ".join(map(str, self.choices))
            raise SpaceError(f"{self.name} must be one of {known}, got {value!r}")

    def describe(self) -> str:
        return ", ".join(map(str, self.choices)) + self.only_with()

    def grid(self) -> tuple[bool | int | float | str | None, ...]:
        """Return every choice."""
        return self.choices


Parameter = Float | Int | Categorical


def _within(parameter: Float | Int, low: float, high: float) -> dict[str, Any]:
    """Return the checked ends of a part of an interval."""
    for end in (low, high):
        parameter.check(end)
    if low >= high:
        raise SpaceError(f"{parameter.name} needs low < high, got {low!r} and {high!r}")
    return {"low": low, "high": high}


def _check_interval(name: str, low: float, high: float) -> None:
    if not (_is_number(low) and _is_number(high) and low <= high):
        raise SpaceError(f"{name}: needs finite low <= high, got [{low!r}, {high!r}]")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not _is_number(value):
        raise SpaceError(f"{name} must be a number, got {value!r}")


def _is_number(value: Any) -> bool:
    """Return whether it is a number that a float can hold."""
    return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
