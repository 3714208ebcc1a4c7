"""WideResNet (Zagoruyko and Komodakis 2016) as report E builds and initialises it."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from trainers.models.blocks import classifier, conv1x1, conv3x3, drop


class WideResNet(nn.Sequential):
    """Images (N, in_channels, H, W) → logits (N, num_classes), for any image size.

    3x3 convolution to 16 channels; three groups of (depth - 4) / 6 pre-activation units with
    16, 32 and 64 times ``width`` channels and strides 1, 2, 2; BatchNorm; ReLU; average over
    all positions (at 32x32 the report's pool of 8); linear.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        image_size: int,
        *,
        depth: int = 34,
        width: int = 10,
        dropout: float = 0.0,
    ) -> None:
        units = (depth - 4) // 6
        channels = [16 * width, 32 * width, 64 * width]
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            stem=conv3x3(in_channels, 16),
            group1=_group(16, channels[0], units, 1, dropout),
            group2=_group(channels[0], channels[1], units, 2, dropout),
            group3=_group(channels[1], channels[2], units, 2, dropout),
            norm=nn.BatchNorm2d(channels[2]),
            relu=nn.ReLU(inplace=True),
            pool=nn.AdaptiveAvgPool2d(1),
            classifier=classifier(channels[2], num_classes),
        )
        super().__init__(layers)
        self.apply(_initialise)


class FirstUnit(nn.Module):
    """The first unit of a group: BatchNorm and ReLU once, for the branch and for the 1x1 shortcut
    both.

    The shortcut is a convolution even where width 1 would allow the identity, as in report E.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.activation = _activation(in_channels)
        self.branch = _branch(in_channels, out_channels, stride, dropout)
        self.shortcut = conv1x1(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(x)
        out = self.branch(x)
        out += self.shortcut(x)
        return out


class Unit(nn.Module):
    """Any other unit of a group: x + branch(relu(norm(x))); the raw input is added."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.activation = _activation(channels)
        self.branch = _branch(channels, channels, 1, dropout)

    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(self.activation(x))
        out += x
        return out


def _group(
    in_channels: int, out_channels: int, units: int, stride: int, dropout: float
) -> nn.Sequential:
    first = FirstUnit(in_channels, out_channels, stride, dropout)
    return nn.Sequential(first, *(Unit(out_channels, dropout) for _ in range(units - 1)))


def _activation(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def _branch(in_channels: int, out_channels: int, stride: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        conv3x3(in_channels, out_channels, stride),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
        *drop(dropout),
        conv3x3(out_channels, out_channels),
    )


def _initialise(module: nn.Module) -> None:
    """Report E: Kaiming normal (fan-in) convolutions, BatchNorm 1 and 0, linear layer zero."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.zeros_(module.weight)
        nn.init.zeros_(module.bias)
