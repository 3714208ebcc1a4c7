"""Rules for one value: what it must be, and the sentence that says so when it is not."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol


class ConfigError(ValueError):
    """A value outside its rule; its text is one line that names value, rule and remedy."""


class Rule(Protocol):
    """What a value must be. ``check`` returns the value in its proper type or raises."""

    def check(self, name: str, value: Any) -> Any: ...


@dataclass(frozen=True)
class Integer:
    """A whole number in the closed interval [low, high]."""

    low: int
    high: int | None = None

    def check(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
            raise ConfigError(f"{name} must be a whole number {self.interval()}, got {value!r}")
        if value < self.low or (self.high is not None and value > self.high):
            raise ConfigError(f"{name} must be {self.interval()}, got {value!r}")
        return int(value)

    def interval(self) -> str:
        return f"at least {self.low}" if self.high is None else f"in [{self.low}, {self.high}]"


@dataclass(frozen=True)
class Number:
    """A finite number in the closed interval [low, high]; ``open_*`` leaves that end out."""

    low: float
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def check(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{name} must be a number {self.interval()}, got {value!r}")
        if not abs(value) <= sys.float_info.max or not self._inside(value):
            raise ConfigError(f"{name} must be {self.interval()}, got {value!r}")
        return float(value)

    def interval(self) -> str:
        if self.high is None:
            return f"above {self.low:g}" if self.open_low else f"at least {self.low:g}"
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"

    def _inside(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        if self.high is None:
            return above
        return above and (value < self.high if self.open_high else value <= self.high)


@dataclass(frozen=True)
class Multiple:
    """offset + step · n for n ≥ 1, such as the depths of a network of equal groups."""

    step: int
    offset: int

    def check(self, name: str, value: Any) -> int:
        number = Integer(1).check(name, value)
        rest = (number - self.offset) % self.step
        if number > self.offset and rest == 0:
            return number
        below = max(self.offset + self.step, number - rest)
        raise ConfigError(
            f"{name} must be {self.offset} plus a multiple of {self.step}, got {number}; "
            f"try {below} or {below + self.step}"
        )


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be true or false, got {value!r}")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few names (or numbers)."""

    options: tuple[Any, ...]

    def check(self, name: str, value: Any) -> Any:
        if value not in self.options:
            known = ", ".join(str(option) for option in self.options)
            raise ConfigError(
                f"{name} must be one of {known}, got {value!r}{suggest(value, self.options)}"
            )
        return value


@dataclass(frozen=True)
class Options:
    """Keyword arguments: plain values by name, kept as pairs sorted by name."""

    def check(self, name: str, value: Any) -> tuple[tuple[str, Any], ...]:
        try:
            pairs = sorted(dict(value).items())
        except (TypeError, ValueError):
            raise ConfigError(f"{name} must be values by name, got {value!r}") from None
        for key, item in pairs:
            if not str(key).isidentifier() or not isinstance(item, (bool, int, float, str)):
                raise ConfigError(f"{name} must be plain values by name, got {key!r}: {item!r}")
        return tuple(pairs)


@dataclass(frozen=True)
class Fractions:
    """Strictly rising numbers inside (0, 1); may be empty."""

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise ConfigError(f"{name} must be a list of numbers in (0, 1), got {value!r}")
        inner = Number(0, 1, open_low=True, open_high=True)
        numbers = tuple(inner.check(name, item) for item in value)
        if list(numbers) != sorted(set(numbers)):
            raise ConfigError(f"{name} must rise from one number to the next, got {value!r}")
        return numbers


def suggest(word: Any, known: Any) -> str:
    """Return ``; did you mean 'x'?`` for the name of ``known`` nearest to ``word``, or nothing."""
    if not isinstance(word, str):
        return ""
    near = get_close_matches(word, [str(item) for item in known], n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
