"""ResNet (He et al. 2015) for small images, as report A builds it."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from trainers.models.blocks import (
    BasicBlock,
    Residual,
    classifier,
    conv1x1,
    conv3x3,
    projection,
    stem,
)

_BLOCKS_PER_STAGE = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_EXPANSION = 4


class ResNet(nn.Sequential):
    """Images (N, in_channels, H, W) → logits (N, num_classes), for any image size.

    3x3 convolution to 64 channels with BatchNorm and ReLU, no max-pool; four stages of 64, 128,
    256 and 512 base channels with strides 1, 2, 2, 2; average over all positions; linear. Basic
    blocks for depths 18 and 34; bottlenecks, of four times the channels, for 50, 101 and 152.
    """

    def __init__(
        self, num_classes: int, in_channels: int, image_size: int, *, depth: int = 50
    ) -> None:
        block: type[BasicBlock] | type[Bottleneck] = Bottleneck if depth >= 50 else BasicBlock
        expansion = _EXPANSION if depth >= 50 else 1
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem(in_channels, 64))
        channels = 64
        for index, count in enumerate(_BLOCKS_PER_STAGE[depth]):
            out_channels = expansion * 64 * 2**index
            first = block(channels, out_channels, stride=1 if index == 0 else 2)
            others = (block(out_channels, out_channels) for _ in range(count - 1))
            layers[f"stage{index + 1}"] = nn.Sequential(first, *others)
            channels = out_channels
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["classifier"] = classifier(channels, num_classes)
        super().__init__(layers)


class Bottleneck(Residual):
    """Residual block of 1x1, 3x3 (with the stride) and 1x1 convolutions.

    (N, in_channels, H, W) → (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉); the first two
    convolutions have out_channels / 4 channels. BatchNorm after each, ReLU between them.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        channels = out_channels // _EXPANSION
        branch = nn.Sequential(
            conv1x1(in_channels, channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            conv3x3(channels, channels, stride),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            conv1x1(channels, out_channels),
            nn.BatchNorm2d(out_channels),
        )
        super().__init__(branch, projection(in_channels, out_channels, stride))
