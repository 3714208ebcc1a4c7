"""The images and networks that are trained: made, not loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainers.config import TrainConfig
from trainers.data import ImageData, prepare
from trainers.models import build_model
from trainers.models.summary import summarize

# A shallow one of each named model that has a depth, so that a step takes a moment on a CPU too.
DEPTHS = {"wide_resnet": 10, "resnet": 18, "cnn200": 4, "resnet200": 10}
FEW, TEST = 1500, 200  # images
CIFAR10 = 50_000
CLASSES = 10
ALL_RANDOM = {
    "optimizer": "sam",
    "adaptive": True,
    "dropout": 0.3,
    "augment": "crop_flip_cutout",
    "loss": "smoothed_kl",
    "label_smoothing": 0.1,
}
SAM = {"optimizer": "sam", "rho": 0.1, "augment": "crop_flip_cutout"}
SMALL_CNN = {"model": "lenet", "batch_size": 100}
RESNET9 = {"model": "resnet9", "batch_size": 512}
WRN_28_10 = {"model": "wide_resnet", "depth": 28, "width": 10, "batch_size": 128, **SAM}
WRN_34_10 = WRN_28_10 | {"depth": 34}
SMALLEST = {"batch_size": 8}


def config(model: str, **options: Any) -> TrainConfig:
    """A quick setting of a named model."""
    depth = {"depth": DEPTHS[model]} if model in DEPTHS else {}
    width = {"width": 2} if model == "wide_resnet" else {}
    known = {"batch_size": 100, "lr": 0.01, "epochs": 3}
    return TrainConfig.from_mapping({"model": model, **depth, **width, **known, **options})


def random_config(model: str, epochs: int) -> TrainConfig:
    """A setting that draws all random numbers there are."""
    return config(model, epochs=epochs, batch_size=300, **ALL_RANDOM)


def network(options: dict[str, Any], smallest: bool) -> TrainConfig:
    """The setting of one of the networks above, or a tiny one of its kind."""
    if smallest:
        tiny = {"depth": 10, "width": 1} if "depth" in options else {}
        options = options | tiny | SMALLEST
    return TrainConfig.from_mapping(options)


def random_arrays(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """``count`` training images of 32 x 32 pixels in three channels, and a few for test."""
    draw = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for split, n in (("train", count), ("test", min(count, TEST))):
        found[f"{split}_images"] = draw.integers(0, 256, (n, 32, 32, 3), np.uint8)
        found[f"{split}_labels"] = np.arange(n) % CLASSES
    return found


def random_images(count: int) -> ImageData:
    """As ``random_arrays``, for a trainer."""
    return ImageData(
        name="random",
        classes=tuple(map(str, range(CLASSES))),
        fingerprint="",
        mean=(0.5,) * 3,
        std=(0.29,) * 3,
        **{name: torch.from_numpy(array) for name, array in random_arrays(count).items()},
    )


def prepared_images(folder: Path, count: int = FEW) -> Path:
    """As ``random_arrays``, in a prepared folder, for a run."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "random.npz"
    np.savez(path, **random_arrays(count))  # type: ignore[arg-type]
    return prepare(str(path), folder)


def operations(chosen: TrainConfig, data: ImageData) -> float:
    """Floating-point operations of one image of training, of its convolutions and linear layers:
    2 a multiply-accumulate, three times that with the backward pass, and all of it twice with SAM.
    """
    shape = (data.in_channels, data.image_size)
    model = build_model(chosen.to_dict(), data.num_classes, *shape)
    passes = 2 if chosen.optimizer.startswith("sam") else 1
    return 6.0 * passes * summarize(model, *shape, 1).macs
