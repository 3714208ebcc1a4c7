"""The table of models. Importing it does not import torch; ``build_model`` does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainers.models.external import OutsideModel, is_outside
from trainers.registry import Entry
from trainers.validators import Choice, ConfigError, Integer, Multiple

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelEntry(Entry):
    """A network; ``smallest_image`` is the side in pixels below which no feature map is left, for
    all depths or for each. Below ``smallest_alone`` BatchNorm sees one pixel of an image, so that
    it cannot train on a single one."""

    smallest_image: int | Mapping[int, int] = 1
    smallest_alone: int = 1

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

    def check_batch(self, config: Mapping[str, Any], image_size: int) -> None:
        """Raises ``ConfigError`` where BatchNorm would have a single value to normalise."""
        normalises = "batch_norm" not in self.options or config["batch_norm"]
        if config["batch_size"] == 1 and normalises and image_size < self.smallest_alone:
            raise ConfigError(
                f"batch_size must be at least 2 for model={config['model']} on images of "
                f"{image_size} pixels, got 1: BatchNorm cannot normalise a single value"
            )


MODELS: Mapping[str, ModelEntry] = {
    "wide_resnet": ModelEntry(
        "trainers.models.wide_resnet:WideResNet",
        "WideResNet, report E; Zagoruyko and Komodakis 2016",
        ("depth", "width", "dropout"),
        {"depth": Multiple(6, 4)},
        smallest_alone=5,
    ),
    "resnet": ModelEntry(
        "trainers.models.resnet:ResNet",
        "ResNet, report A; He et al. 2015",
        ("depth",),
        {"depth": Choice((18, 34, 50, 101, 152))},
        smallest_alone=9,
    ),
    "resnet9": ModelEntry(
        "trainers.models.resnet9:ResNet9", "ResNet-9 of report B", smallest_alone=9
    ),
    "resnet9_pool": ModelEntry(
        "trainers.models.resnet9:ResNet9Pool", "ResNet-9 of report C", smallest_alone=17
    ),
    "lenet": ModelEntry(
        "trainers.models.lenet:LeNet", "the small CNN of reports B and C", smallest_image=16
    ),
    "cnn200": ModelEntry(
        "trainers.models.plain_cnn:PlainCNN",
        "the CNN of report D",
        ("depth", "dropout", "batch_norm", "residual"),
        {"depth": Integer(3, 6)},
        smallest_image={3: 4, 4: 8, 5: 4, 6: 20},
    ),
    "resnet200": ModelEntry(
        "trainers.models.staged_resnet:StagedResNet",
        "the residual net of report D",
        ("depth", "dropout", "batch_norm", "residual"),
        {"depth": Choice((10, 18, 26, 30, 34))},
        smallest_alone=17,
    ),
}


def build_model(
    options: Mapping[str, Any], num_classes: int, in_channels: int, image_size: int
) -> nn.Module:
    """Return the network that ``options`` (a configuration as a mapping) names, freshly
    initialised.

    It maps float images (N, in_channels, image_size, image_size) to logits (N, num_classes).
    Weights are drawn from torch's global CPU generator.
    """
    if is_outside(options["model"]):
        outside = OutsideModel(options["model"])
        return outside.build(options["model_options"], num_classes, in_channels, image_size)
    entry = MODELS[options["model"]]
    model: nn.Module = entry.load()(num_classes, in_channels, image_size, **entry.keywords(options))
    return model
