"""The picture of feature maps that --feature-maps asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from search.terminal.plain_line import say
from trainers.data import ImageData
from trainers.evaluation.feature_maps import feature_maps, save_feature_picture
from trainers.trainer import Trainer


def draw_maps(
    console: Console, trainer: Trainer, data: ImageData, names: Sequence[str], path: Path
) -> None:
    """The picture of what convolutions make of the first test image, if any are asked for."""
    if not names:
        return
    image = next(iter(trainer.batches.test()))[0][:1]
    save_feature_picture(path, data.test_images[0], feature_maps(trainer.model, image, names))
    say(console, f"feature maps of the first test image: {path}")
