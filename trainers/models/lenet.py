"""The small network of reports B and C (the PyTorch tutorial's, after LeNet-5)."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from trainers.validators import ConfigError


class LeNet(nn.Sequential):
    """Images (N, in_channels, H, H) → logits (N, num_classes), for H = ``image_size`` ≥ 16.

    Twice a 5x5 convolution (6, then 16 channels), ReLU and max-pool 2; then linear layers of
    120, 84 and ``num_classes`` units. The first of them has 16·s² inputs, where s is the side of
    the last map: 400 at 32x32, as printed. Raises ``ConfigError`` for smaller images.
    """

    def __init__(self, num_classes: int, in_channels: int, image_size: int) -> None:
        side = ((image_size - 4) // 2 - 4) // 2
        if side < 1:
            raise ConfigError(
                f"image_size must be at least 16 for lenet, got {image_size}; "
                "use larger images or another model"
            )
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=_convolution(in_channels, 6),
            conv2=_convolution(6, 16),
            flatten=nn.Flatten(),
            fc1=nn.Sequential(nn.Linear(16 * side**2, 120), nn.ReLU(inplace=True)),
            fc2=nn.Sequential(nn.Linear(120, 84), nn.ReLU(inplace=True)),
            fc3=nn.Linear(84, num_classes),
        )
        super().__init__(layers)


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return convolution and ReLU, which is not in place, so that the convolution's own output can
    be looked at (report C)."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 5), nn.ReLU(), nn.MaxPool2d(2))
