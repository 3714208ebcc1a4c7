"""Convolutions as the networks here use them, and the residual block that several share."""

from __future__ import annotations

from torch import Tensor, nn


def conv3x3(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """3x3 convolution with padding 1; no bias, since BatchNorm mostly follows."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=bias)


def conv1x1(in_channels: int, out_channels: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """1x1 convolution, as in a bottleneck or a projection shortcut."""
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias)


class BasicBlock(nn.Module):
    """relu(branch(x) + shortcut(x)); the branch is conv 3x3, BatchNorm, ReLU, conv 3x3, BatchNorm.

    (N, in_channels, H, W) → (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉). The shortcut is the
    identity, or a 1x1 convolution with BatchNorm where the shape changes (He et al. 2015).
    ``residual=False`` leaves the shortcut out, ``batch_norm=False`` every BatchNorm (the
    convolutions then have a bias); dropout, if above 0, stands between the convolutions.
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
        super().__init__()
        bias = not batch_norm
        branch: list[nn.Module] = [conv3x3(in_channels, out_channels, stride, bias)]
        branch += norm(out_channels, batch_norm)
        branch.append(nn.ReLU(inplace=True))
        if dropout > 0:
            branch.append(nn.Dropout(dropout))
        branch.append(conv3x3(out_channels, out_channels, bias=bias))
        branch += norm(out_channels, batch_norm)
        self.branch = nn.Sequential(*branch)
        self.shortcut = projection(in_channels, out_channels, stride, batch_norm)
        if not residual:
            self.shortcut = None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(x)
        if self.shortcut is not None:
            out += self.shortcut(x)
        return self.relu(out)


def norm(channels: int, batch_norm: bool) -> list[nn.Module]:
    """BatchNorm, or nothing."""
    return [nn.BatchNorm2d(channels)] if batch_norm else []


def projection(
    in_channels: int, out_channels: int, stride: int, batch_norm: bool = True
) -> nn.Module | None:
    """The shortcut of a block: the identity where shapes agree, else 1x1 convolution and norm."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    conv = conv1x1(in_channels, out_channels, stride, bias=not batch_norm)
    return nn.Sequential(conv, *norm(out_channels, batch_norm))
