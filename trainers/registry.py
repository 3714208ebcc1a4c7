"""What the tables of choices are made of. Importing an entry does not import what it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from trainers.validators import Rule


@dataclass(frozen=True)
class Entry:
    """One implementation: ``path`` is ``module:name``, imported when it is first needed.

    ``options`` are those of the configuration that it takes by keyword; ``rules`` are for those
    whose values must be fewer than the configuration allows.
    """

    path: str
    help: str
    options: tuple[str, ...] = ()
    rules: Mapping[str, Rule] = field(default_factory=dict)

    def check(self, config: Mapping[str, Any]) -> None:
        """Raises ``ConfigError`` where a value of ``config`` breaks a rule of this entry's own."""
        for name, rule in self.rules.items():
            rule.check(name, config[name])

    def load(self) -> Any:
        """The function or class itself."""
        module, name = self.path.split(":")
        return getattr(import_module(module), name)

    def keywords(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The options that it takes, with their values."""
        return {name: config[name] for name in self.options}


@dataclass(frozen=True)
class Optimizer:
    """An update rule and, if it is to see another gradient, what wraps its step."""

    rule: Entry
    wrapper: Entry | None = None

    @property
    def help(self) -> str:
        return f"{self.wrapper.help} over {self.rule.help}" if self.wrapper else self.rule.help


@dataclass(frozen=True)
class Schedule(Entry):
    """A learning rate over the training; ``by_step``: it may change with every step."""

    by_step: bool = False


@dataclass(frozen=True)
class Augmentation:
    """Which of the whole-batch augmentations take part."""

    help: str
    crop: bool = False
    flip: bool = False
    cutout: bool = False


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of pixels in [0, 1]: one for each channel, one for all, or none
    where the training images are to give them."""

    help: str
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def fits(self, channels: int) -> bool:
        return len(self.mean) in (0, 1, channels)
