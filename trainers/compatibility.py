"""What a configuration asks of a data set. Imports no torch, so it can be asked beforehand."""

from __future__ import annotations

from trainers.config import TrainConfig
from trainers.models import MODELS
from trainers.registry import AUGMENTATIONS, NORMALIZATIONS
from trainers.validators import ConfigError


def check_fits(
    config: TrainConfig,
    training_images: int,
    image_size: int,
    in_channels: int,
    num_classes: int,
    processes: int = 1,
) -> None:
    """Raises ``ConfigError`` where ``config`` cannot train on such a data set.

    ``training_images`` are those of the training split, without validation. Each of ``processes``
    gets its share of every batch.
    """
    if num_classes < 2:
        raise ConfigError(f"a data set must have at least 2 classes, got {num_classes}")
    if config.model in MODELS:
        MODELS[config.model].check_image_size(vars(config), image_size)
        MODELS[config.model].check_batch(vars(config), image_size)
    if config.batch_size > training_images:
        raise ConfigError(
            f"batch_size must be at most {training_images}, the images of the training split, "
            f"got {config.batch_size}"
        )
    if processes > 1 and config.batch_size < 2 * processes:
        raise ConfigError(
            f"batch_size must be at least {2 * processes}, two images for each of {processes} "
            f"processes, got {config.batch_size}"
        )
    if AUGMENTATIONS[config.augment].cutout and config.cutout_size > image_size:
        raise ConfigError(
            f"cutout_size must be at most {image_size}, the side of the images, "
            f"got {config.cutout_size}"
        )
    if not NORMALIZATIONS[config.normalize].fits(in_channels):
        fitting = [name for name, entry in NORMALIZATIONS.items() if entry.fits(in_channels)]
        raise ConfigError(
            f"normalize must be {' or '.join(fitting)} for images of {in_channels} channel(s), "
            f"got {config.normalize!r}"
        )
