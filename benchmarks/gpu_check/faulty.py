"""A small network with two batch sizes at which training it goes wrong, as it does with users."""

from __future__ import annotations

import torch
from torch import Tensor, nn

OUT_OF_MEMORY, DEVICE_ASSERT = 40, 48  # images in a batch


class Net(nn.Sequential):
    """(N, in_channels, H, W) → (N, num_classes)."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 16, 3, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        if self.training and len(images) == OUT_OF_MEMORY:
            fill_memory(images.device)
        if self.training and len(images) == DEVICE_ASSERT:
            images = images[torch.full((len(images),), 10**6, device=images.device)]
        logits: Tensor = super().forward(images)
        return logits


def fill_memory(device: torch.device) -> None:
    """Takes twice as much again and again until nothing is left; of a host nothing is touched."""
    held, size = [], 2**28
    while True:
        held.append(torch.empty(size, dtype=torch.uint8, device=device))
        size *= 2
