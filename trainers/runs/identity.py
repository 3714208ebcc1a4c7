"""What makes two runs the same: then one goes on from the other's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.configs import Config, config_from_mapping
from trainers.execution import Execution


@dataclass(frozen=True)
class Identity:
    """A trial is a pure function of these three; ``data`` is the data set's fingerprint."""

    config: Config
    execution: Execution
    data: str

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Identity:
        """What an older release did not know has the default that it had. Raises ``ConfigError``
        for an option of a newer one, ``KeyError`` and ``TypeError`` for something else."""
        return cls(
            config_from_mapping(values["config"]),
            Execution.from_mapping(values["execution"]),
            values["data"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint keeps them."""
        return {
            "config": self.config.to_dict(),
            "execution": self.execution.to_dict(),
            "data": self.data,
        }

    def difference(self, other: Identity) -> str:
        """The first value that differs in ``other``, in words; empty where they are the same."""
        return _difference(self.to_dict(), other.to_dict(), "it")


def _difference(found: Any, wanted: Any, name: str) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = ((found.get(key), wanted.get(key), key) for key in sorted(found | wanted))
        return next(filter(None, (_difference(*pair) for pair in pairs)), "")
    return "" if found == wanted else f"{name} was {found!r}, now {wanted!r}"
