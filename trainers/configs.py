"""A setting of whatever is trained: this package's trainer, or a function of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainers.config import TrainConfig
from trainers.custom.loop_config import TRAIN, LoopConfig

Config = TrainConfig | LoopConfig


def trainer_config(config: Config) -> TrainConfig:
    """``config``, which is of this package's trainer: no other comes here."""
    assert isinstance(config, TrainConfig), config
    return config


def config_from_mapping(values: Mapping[str, Any]) -> Config:
    """The one that ``values`` ask for. Raises ``ConfigError``."""
    if TRAIN in values:
        return LoopConfig.from_mapping(values)
    return TrainConfig.from_mapping(values)
