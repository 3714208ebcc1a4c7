"""The residual net of report D, with the switches whose effect that report asks for."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from trainers.models.blocks import BasicBlock, classifier, stem

# Depth counts layers with weights: the first convolution, two per block, the linear layer.
_BLOCKS_PER_GROUP = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    26: (3, 3, 3, 3),
    30: (3, 4, 4, 3),  # the report's own
    34: (3, 4, 6, 3),
}


class StagedResNet(nn.Sequential):
    """Images (N, in_channels, H, W) → logits (N, num_classes), for any image size.

    The first layer, which the report does not print, is a 3x3 convolution to 64 channels of
    stride 1 with BatchNorm and ReLU. Then max-pool 3x3 of stride 2; four groups of basic blocks
    with 64, 128, 256 and 512 channels, each but the first halving the resolution at its start;
    average over all positions; linear. The report's net has depth 30.

    ``residual=False`` leaves every shortcut out, ``batch_norm=False`` every BatchNorm. Dropout,
    if above 0, stands between the two convolutions of each block and before the linear layer.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        image_size: int,
        *,
        depth: int = 30,
        dropout: float = 0.0,
        batch_norm: bool = True,
        residual: bool = True,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            stem=stem(in_channels, 64, batch_norm).append(nn.MaxPool2d(3, stride=2, padding=1))
        )
        channels = 64
        for index, count in enumerate(_BLOCKS_PER_GROUP[depth]):
            group = nn.Sequential()
            for number in range(count):
                block = BasicBlock(
                    channels,
                    64 * 2**index,
                    stride=2 if index > 0 and number == 0 else 1,
                    dropout=dropout,
                    batch_norm=batch_norm,
                    residual=residual,
                )
                group.append(block)
                channels = 64 * 2**index
            layers[f"group{index + 1}"] = group
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["classifier"] = classifier(channels, num_classes, dropout)
        super().__init__(layers)
