"""Models from elsewhere: ``torchvision:resnet18``, ``timm:resnet26t``, ``path/to/net.py:Net``.

A library's model gets the number of classes, and its first convolution the images' channels. A
file's ``Net`` is called with those of ``num_classes``, ``in_channels`` and ``image_size`` that it
takes by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainers.user_code import load, names_file
from trainers.validators import ConfigError, suggest

if TYPE_CHECKING:
    from torch import nn

LIBRARIES = ("torchvision", "timm")


def is_outside(model: str) -> bool:
    """Return whether it names a library's model or a file's."""
    library, colon, name = model.partition(":")
    return names_file(model) or bool(colon and name and library in LIBRARIES)


@dataclass(frozen=True)
class OutsideModel:
    """A model of a library or a file, like an entry of the table of models."""

    name: str

    def build(
        self, options: Mapping[str, Any], num_classes: int, in_channels: int, image_size: int
    ) -> nn.Module:
        """Return the model, freshly initialised. Raises ``ConfigError`` where it cannot be made."""
        library, _, name = self.name.partition(":")
        try:
            if library == "torchvision":
                return _torchvision(name, num_classes, in_channels, options)
            if library == "timm":
                return _timm(name, num_classes, in_channels, options)
            shape = {
                "num_classes": num_classes,
                "in_channels": in_channels,
                "image_size": image_size,
            }
            return _from_file(self.name, shape, options)
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:  # whatever another's code raises
            raise ConfigError(f"model={self.name} cannot be made: {_said(error)}") from error


def _torchvision(name: str, classes: int, channels: int, options: Mapping[str, Any]) -> nn.Module:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ConfigError(f"torchvision has no classifier {name!r}{suggest(name, known)}")
    model: nn.Module = models.get_model(name, weights=None, num_classes=classes, **options)
    if channels != 3:
        _take_channels(model, channels)
    return model


def _take_channels(model: nn.Module, channels: int) -> None:
    """Gives the first convolution ``channels`` inputs, with the weights of its three in turn."""
    import torch
    from torch import nn

    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3 or first.groups != 1:
        raise ConfigError(f"its first layer takes 3 channels, got images of {channels}")
    chosen = torch.arange(channels, device=first.weight.device) % 3
    first.weight = nn.Parameter(first.weight.detach()[:, chosen].clone())
    first.in_channels = channels


def _timm(name: str, classes: int, channels: int, options: Mapping[str, Any]) -> nn.Module:
    try:
        timm = import_module("timm")
    except ImportError:
        raise ConfigError(f"model=timm:{name} needs timm: pip install timm") from None
    model: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=classes, in_chans=channels, **options
    )
    return model


def _from_file(model: str, shape: Mapping[str, int], options: Mapping[str, Any]) -> nn.Module:
    make = load(model)
    parameters = inspect.signature(make).parameters.values()
    names = {parameter.name for parameter in parameters}
    anything = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
    taken = {name: value for name, value in shape.items() if anything or name in names}
    made: nn.Module = make(**taken, **options)
    return made


@cache
def check_outside(
    model: str,
    options: tuple[tuple[str, Any], ...],
    num_classes: int,
    in_channels: int,
    image_size: int,
) -> None:
    """Makes it and passes two black images through, as in training and in evaluation. Raises
    ``ConfigError`` where that fails or gives no logits (2, num_classes)."""
    import torch

    network = OutsideModel(model).build(dict(options), num_classes, in_channels, image_size)
    shown = f"model={model} on images of {in_channels} x {image_size} x {image_size}"
    if not isinstance(network, torch.nn.Module):
        raise ConfigError(f"model={model} must be a torch.nn.Module, got {network!r:.60}")
    images = torch.zeros(2, in_channels, image_size, image_size)
    for training in (True, False):
        try:
            with torch.no_grad():
                logits = network.train(training)(images)
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"{shown}: {_said(error)}; choose other images or --set model_options=…"
            ) from error
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        if shape != (2, num_classes):
            raise ConfigError(f"{shown} must give logits (2, {num_classes}), got {shape}")


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
