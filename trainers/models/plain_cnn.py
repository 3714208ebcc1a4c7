"""The plain convolutional network of report D, with the switches that it asks for."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import NamedTuple

from torch import nn

from trainers.models.blocks import Residual, classifier, conv1x1, drop, norm
from trainers.validators import ConfigError


class _Convolution(NamedTuple):
    """A convolution with padding 1; ``pooled``: max-pool 3x3 of stride 2 follows it."""

    channels: int
    kernel: int
    pooled: bool


_FIRST_CHANNELS = 32
_CONVOLUTIONS = (
    _Convolution(64, 2, True),
    _Convolution(192, 2, False),
    _Convolution(256, 2, True),
    _Convolution(256, 3, True),
)


class PlainCNN(nn.Sequential):
    """Images (N, in_channels, H, H) → logits (N, num_classes), for H = ``image_size``.

    ``depth`` counts layers with weights: depth - 1 convolutions and the linear one. The report's
    is 6: 5x5 convolution to 32 channels, ReLU, max-pool 2; then 2x2 convolutions to 64, 192 and
    256 channels and a 3x3 one to 256, each with padding 1, BatchNorm and ReLU, the first, third
    and fourth of them with max-pool 3x3 of stride 2. Less depth leaves the last convolutions
    out; max-pool always follows the last that is left.

    ``residual`` (False in the report) adds a shortcut around each convolution but the first:
    the identity around the 3x3 one, a 1x1 convolution with BatchNorm around the 2x2 ones, whose
    input gets one row and one column of zeros, since their output is larger by one.
    ``batch_norm=False`` leaves every BatchNorm out. Dropout, if above 0, follows the ReLU of each
    convolution and stands before the linear layer.

    Raises ``ConfigError`` if the images are too small to reach the last pool.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        image_size: int,
        *,
        depth: int = 6,
        dropout: float = 0.0,
        batch_norm: bool = True,
        residual: bool = False,
    ) -> None:
        plan = _plan(depth)
        side = _last_side(image_size, plan)
        if side < 1:
            smallest = next(size for size in count(1) if _last_side(size, plan) >= 1)
            raise ConfigError(
                f"image_size must be at least {smallest} for cnn200 of depth {depth}, "
                f"got {image_size}; use larger images or another depth"
            )
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Sequential(
                nn.Conv2d(in_channels, _FIRST_CHANNELS, 5, padding=2),
                nn.ReLU(),
                *drop(dropout),
                nn.MaxPool2d(2),
            )
        )
        channels = _FIRST_CHANNELS
        for number, item in enumerate(plan, start=2):
            layers[f"conv{number}"] = nn.Sequential(
                _ConvLayer(channels, item, batch_norm, residual),
                *drop(dropout),
                *([nn.MaxPool2d(3, stride=2)] if item.pooled else []),
            )
            channels = item.channels
        layers["classifier"] = classifier(channels * side**2, num_classes, dropout)
        super().__init__(layers)


class _ConvLayer(Residual):
    """Convolution with padding 1, BatchNorm, ReLU; with ``residual`` a shortcut before the ReLU."""

    def __init__(
        self, in_channels: int, item: _Convolution, batch_norm: bool, residual: bool
    ) -> None:
        bias = not batch_norm
        conv = nn.Conv2d(in_channels, item.channels, item.kernel, padding=1, bias=bias)
        shortcut: nn.Module | None = None
        if residual and item.kernel == 2:
            shortcut = nn.Sequential(
                nn.ZeroPad2d((0, 1, 0, 1)),
                conv1x1(in_channels, item.channels, bias=bias),
                *norm(item.channels, batch_norm),
            )
        elif residual:
            shortcut = nn.Identity()
        super().__init__(nn.Sequential(conv, *norm(item.channels, batch_norm)), shortcut)


def _plan(depth: int) -> tuple[_Convolution, ...]:
    """Return the convolutions after the first; the last of them is pooled."""
    kept = _CONVOLUTIONS[: depth - 2]
    return (*kept[:-1], kept[-1]._replace(pooled=True))


def _last_side(image_size: int, plan: tuple[_Convolution, ...]) -> int:
    """Return height and width of the last feature map; 0 if a map on the way is too small to
    pool."""
    side = image_size // 2
    for item in plan:
        side += 3 - item.kernel
        if item.pooled:
            side = (side - 1) // 2
        if side < 1:
            return 0
    return side
