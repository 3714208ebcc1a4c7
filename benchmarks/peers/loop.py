"""The plain PyTorch loop of the reports: per-image transforms, a DataLoader, eager float32.

Data set, transforms, loader and loop as PyTorch's own CIFAR-10 tutorial writes them
(https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

WORKERS = 2


class ImageList(Dataset):
    """Images (N, H, W, C) uint8 given out one by one, as torchvision's CIFAR10 does."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable[[Any], Tensor]):
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Cutout:
    """Report E: with p = 0.5 one square of a normalised image is 0; it may hang over the border."""

    def __init__(self, size: int):
        self.size = size

    def __call__(self, image: Tensor) -> Tensor:
        if torch.rand(1).item() < 0.5:
            half, side = self.size // 2, image.shape[-1]
            top, left = torch.randint(-half, side - half, (2,)).tolist()
            bottom, right = max(0, top + self.size), max(0, left + self.size)
            image[:, max(0, top) : bottom, max(0, left) : right] = 0
        return image


def plain(mean: Sequence[float], std: Sequence[float]) -> Callable[[Any], Tensor]:
    return transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])


def augmented(
    mean: Sequence[float], std: Sequence[float], padding: int, side: int, cutout: int
) -> Callable[[Any], Tensor]:
    """Crop, flip and Cutout."""
    return transforms.Compose(
        [
            transforms.RandomCrop(side, padding=padding),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
            Cutout(cutout),
        ]
    )


def training_loader(data: ImageList, batch_size: int) -> DataLoader:
    return DataLoader(data, batch_size=batch_size, shuffle=True, num_workers=WORKERS)


def evaluation_loader(data: ImageList, batch_size: int) -> DataLoader:
    return DataLoader(data, batch_size=batch_size, shuffle=False, num_workers=WORKERS)


def train_epoch(
    model: nn.Module, loader: DataLoader, loss: nn.Module, optimizer: torch.optim.Optimizer
) -> float:
    """One epoch; the mean loss over batches, as the report appends it to its file."""
    model.train()
    running_loss = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        batch_loss = loss(model(images), labels)
        batch_loss.backward()
        optimizer.step()
        running_loss += batch_loss.item()
    return running_loss / len(loader)


def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """% of the loader's images that are named right."""
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            predicted = model(images).argmax(dim=1)
            total += labels.size(0)
            correct += (predicted == labels).sum().item()
    return 100 * correct / total
