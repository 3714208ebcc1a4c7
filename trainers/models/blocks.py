"""The parts that several networks are built of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a 3x3 convolution with padding 1; it has no bias, since BatchNorm mostly follows."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=bias)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a 1x1 convolution, as in a bottleneck or a projection shortcut."""
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias)


def norm(channels: int, batch_norm: bool) -> list[nn.Module]:
    """Return BatchNorm, or nothing."""
    return [nn.BatchNorm2d(channels)] if batch_norm else []


def drop(probability: float) -> list[nn.Module]:
    """Return dropout, or nothing."""
    return [nn.Dropout(probability)] if probability > 0 else []


def stem(in_channels: int, out_channels: int = 64, batch_norm: bool = True) -> nn.Sequential:
    """Return 3x3 convolution, BatchNorm, ReLU; the resolution stays."""
    return nn.Sequential(
        conv3x3(in_channels, out_channels, bias=not batch_norm),
        *norm(out_channels, batch_norm),
        nn.ReLU(inplace=True),
    )


class GlobalMaxPool2d(nn.Module):
    """The maximum over all positions: (N, C, H, W) → (N, C, 1, 1). ``nn.AdaptiveMaxPool2d(1)``,
    whose backward pass on a GPU is refused where it is to be deterministic."""

    def forward(self, maps: Tensor) -> Tensor:
        return functional.max_pool2d(maps, maps.shape[2:])


def classifier(features: int, num_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Return the classifier: feature maps of ``features`` values in all → logits (N,
    num_classes)."""
    return nn.Sequential(nn.Flatten(), *drop(dropout), nn.Linear(features, num_classes))


def projection(
    in_channels: int, out_channels: int, stride: int, batch_norm: bool = True
) -> nn.Module:
    """Return a block's shortcut: the identity where shapes agree, else 1x1 convolution and
    BatchNorm."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    conv = conv1x1(in_channels, out_channels, stride, bias=not batch_norm)
    return nn.Sequential(conv, *norm(out_channels, batch_norm))


class Residual(nn.Module):
    """relu(branch(x) + shortcut(x)), or relu(branch(x)) where ``shortcut`` is None."""

    def __init__(self, branch: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(x)
        if self.shortcut is not None:
            out += self.shortcut(x)
        return self.relu(out)


class BasicBlock(Residual):
    """Residual block of two 3x3 convolutions, the first with the stride (He et al. 2015).

    (N, in_channels, H, W) → (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉). BatchNorm after each
    convolution, ReLU between them. ``residual=False`` leaves the shortcut out,
    ``batch_norm=False`` every BatchNorm (the convolutions then have a bias); dropout, if above
    0, stands between the convolutions, after the ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        *,
        dropout: float = 0.0,
        batch_norm: bool = True,
        residual: bool = True,
    ) -> None:
        bias = not batch_norm
        branch = nn.Sequential(
            conv3x3(in_channels, out_channels, stride, bias),
            *norm(out_channels, batch_norm),
            nn.ReLU(inplace=True),
            *drop(dropout),
            conv3x3(out_channels, out_channels, bias=bias),
            *norm(out_channels, batch_norm),
        )
        shortcut = projection(in_channels, out_channels, stride, batch_norm) if residual else None
        super().__init__(branch, shortcut)
