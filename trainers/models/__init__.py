"""The table of models. Importing it does not import torch; ``build_model`` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainers.rules import Choice, ConfigError, Flag, Integer, Multiple, Number, Rule

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelEntry:
    """Where a model is, and which options of the configuration it reads, each with its rule.

    ``smallest_image`` is the side in pixels below which no feature map is left, for all depths
    or for each.
    """

    module: str
    factory: str
    source: str
    options: Mapping[str, Rule] = field(default_factory=dict)
    smallest_image: int | Mapping[int, int] = 1

    def check_options(self, config: Mapping[str, Any]) -> None:
        for name, rule in self.options.items():
            rule.check(name, config[name])

    def check_image_size(self, config: Mapping[str, Any], image_size: int) -> None:
        """Raises ``ConfigError`` where the images are too small for the model."""
        by_depth = self.smallest_image
        smallest = by_depth if isinstance(by_depth, int) else by_depth[config["depth"]]
        if image_size < smallest:
            depth = "" if isinstance(by_depth, int) else f" of depth {config['depth']}"
            raise ConfigError(
                f"images must be at least {smallest} pixels wide for model={config['model']}"
                f"{depth}, got {image_size}; choose another data set or model"
            )


_DROPOUT = Number(0, 1, open_high=True)

MODELS: Mapping[str, ModelEntry] = {
    "wide_resnet": ModelEntry(
        "trainers.models.wide_resnet",
        "WideResNet",
        "report E; Zagoruyko and Komodakis 2016",
        {"depth": Multiple(6, 4), "width": Integer(1, 16), "dropout": _DROPOUT},
    ),
    "resnet": ModelEntry(
        "trainers.models.resnet",
        "ResNet",
        "report A; He et al. 2015",
        {"depth": Choice((18, 34, 50, 101, 152))},
    ),
    "resnet9": ModelEntry("trainers.models.resnet9", "ResNet9", "report B"),
    "resnet9_pool": ModelEntry("trainers.models.resnet9", "ResNet9Pool", "report C"),
    "lenet": ModelEntry("trainers.models.lenet", "LeNet", "reports B and C", smallest_image=16),
    "cnn200": ModelEntry(
        "trainers.models.plain_cnn",
        "PlainCNN",
        "report D",
        {"depth": Integer(3, 6), "dropout": _DROPOUT, "batch_norm": Flag(), "residual": Flag()},
        smallest_image={3: 4, 4: 8, 5: 4, 6: 20},
    ),
    "resnet200": ModelEntry(
        "trainers.models.staged_resnet",
        "StagedResNet",
        "report D",
        {
            "depth": Choice((10, 18, 26, 30, 34)),
            "dropout": _DROPOUT,
            "batch_norm": Flag(),
            "residual": Flag(),
        },
    ),
}


def build_model(
    options: Mapping[str, Any], num_classes: int, in_channels: int, image_size: int
) -> nn.Module:
    """The network that ``options`` (a configuration as a mapping) names, freshly initialised.

    It maps float images (N, in_channels, image_size, image_size) to logits (N, num_classes).
    Weights are drawn from torch's global CPU generator.
    """
    entry = MODELS[options["model"]]
    factory = getattr(import_module(entry.module), entry.factory)
    chosen = {name: options[name] for name in entry.options}
    return factory(num_classes, in_channels, image_size, **chosen)
