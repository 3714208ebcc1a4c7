"""What a user's own training function is given: its baseline's names, and a few that all have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainers.metrics import DEFAULT_OBJECTIVE, objective_metric
from trainers.validators import ConfigError, Integer

TRAIN = "train"  # the option that names the function: path/to/file.py:function@digest
_COUNTS = {"epochs": Integer(1), "seed": Integer(0), "split_seed": Integer(0)}


@dataclass(frozen=True)
class LoopConfig:
    """One setting of a function of the user's own; ``options`` are what only it understands.

    ``seed`` is that of all random numbers that it draws from Python's, NumPy's and torch's global
    generators; what it makes of ``split_seed`` is its own affair.
    """

    train: str
    epochs: int
    objective: str = DEFAULT_OBJECTIVE
    seed: int = 0
    split_seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, rule in _COUNTS.items():
            object.__setattr__(self, name, rule.check(name, getattr(self, name)))
        objective_metric(self.objective)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> LoopConfig:
        """Raises ``ConfigError`` where epochs are missing or a value breaks its rule."""
        if "epochs" not in values:
            raise ConfigError("the baseline of a training function must have epochs")
        known = {name: values[name] for name in _NAMES if name in values}
        options = {name: _plain(name, v) for name, v in values.items() if name not in _NAMES}
        return cls(**known, options=options)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, which the function is given."""
        return {name: getattr(self, name) for name in _NAMES} | dict(self.options)


_NAMES = (TRAIN, "epochs", "objective", "seed", "split_seed")


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON has it, so that what is on record compares equal."""
    if isinstance(value, (list, tuple)):
        return [_plain(name, part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ConfigError(f"{name} must be a number, a text, true, false or a list, got {value!r:.60}")
