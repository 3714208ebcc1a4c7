"""What makes two runs the same: then one continues from the other's checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainers.config import Config, config_from_mapping
from trainers.execution import Execution
from trainers.runs.checkpoint import read_newest
from trainers.validators import ConfigError


@dataclass(frozen=True)
class Identity:
    """A trial is a pure function of these three; ``data`` is the data set's fingerprint."""

    config: Config
    execution: Execution
    data: str

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Identity:
        """Return the identity in a mapping. An option that an older release did not know has the
        default that it had. Raises ``ConfigError`` for an option of a newer one, ``KeyError`` and
        ``TypeError`` for something else."""
        return cls(
            config_from_mapping(values["config"]),
            Execution.from_mapping(values["execution"]),
            values["data"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as a checkpoint keeps them."""
        return {
            "config": self.config.to_dict(),
            "execution": self.execution.to_dict(),
            "data": self.data,
        }

    def newest_checkpoint(self, folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the newest whole checkpoint of ``folder`` if a run of this identity wrote it, else
        None; and why others were passed over."""
        state, problems = read_newest(folder)
        change = self.change_since(state) if state else ""
        if change:
            text = f"{folder}: its checkpoint is of another configuration: {change}"
            return None, [*problems, text]
        return state, problems

    def change_since(self, checkpoint: Mapping[str, Any]) -> str:
        """Return what is different from the run that wrote ``checkpoint``; empty where nothing
        is."""
        try:
            return Identity.from_mapping(checkpoint["identity"]).difference(self)
        except (ConfigError, KeyError, TypeError) as error:
            return f"{type(error).__name__}: {error}"

    def difference(self, other: Identity) -> str:
        """Return the first value that differs in ``other``, in words; empty where they are the
        same, or differ in what changes no number."""
        return _difference(self.as_computed(), other.as_computed(), "it")

    def as_computed(self) -> dict[str, Any]:
        return replace(self, execution=replace(self.execution, graph=False)).to_dict()


def _difference(found: Any, wanted: Any, name: str) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        pairs = ((found.get(key), wanted.get(key), key) for key in sorted(found | wanted))
        return next(filter(None, (_difference(*pair) for pair in pairs)), "")
    return "" if found == wanted else f"{name} was {found!r}, now {wanted!r}"
