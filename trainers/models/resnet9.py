"""The two residual networks of reports B and C that both call ResNet-9."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from trainers.models.blocks import BasicBlock, GlobalMaxPool2d, classifier, stem


class ResNet9(nn.Sequential):
    """Report B: images (N, in_channels, H, W) → logits (N, num_classes), for any image size.

    3x3 convolution to 64 channels with BatchNorm and ReLU; three basic blocks of 128, 256 and
    512 channels, each halving the resolution; maximum over all positions (at 32x32 the report's
    max-pool 4); linear.
    """

    def __init__(self, num_classes: int, in_channels: int, image_size: int) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            stem=stem(in_channels, 64),
            block1=BasicBlock(64, 128, stride=2),
            block2=BasicBlock(128, 256, stride=2),
            block3=BasicBlock(256, 512, stride=2),
            pool=GlobalMaxPool2d(),
            classifier=classifier(512, num_classes),
        )
        super().__init__(layers)


class ResNet9Pool(nn.Sequential):
    """Report C: images (N, in_channels, H, W) → logits (N, num_classes), for any image size.

    3x3 convolution to 64 channels with BatchNorm, ReLU and max-pool 3x3 of stride 2; four basic
    blocks of 64, 128, 256 and 512 channels with strides 1, 2, 2, 2; average over all positions;
    linear. The first block keeps its shape, so its shortcut is the identity.
    """

    def __init__(self, num_classes: int, in_channels: int, image_size: int) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            stem=stem(in_channels, 64).append(nn.MaxPool2d(3, stride=2, padding=1)),
            block1=BasicBlock(64, 64),
            block2=BasicBlock(64, 128, stride=2),
            block3=BasicBlock(128, 256, stride=2),
            block4=BasicBlock(256, 512, stride=2),
            pool=nn.AdaptiveAvgPool2d(1),
            classifier=classifier(512, num_classes),
        )
        super().__init__(layers)
