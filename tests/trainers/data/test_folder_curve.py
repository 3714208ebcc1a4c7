"""An image folder trains to the same curve as the .npz of the same images, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainers.curves import same_curve
from trainers.config import TrainConfig
from trainers.data import open_prepared, prepare
from trainers.execution import Execution
from trainers.trainer import Trainer

SETTING = {"model": "lenet", "batch_size": 50, "lr": 0.01, "epochs": 2, "augment": "crop_flip"}


def unpack_to_folder(npz: Path, folder: Path) -> Path:
    """``train/<class>/<index>.png`` and ``test/…`` of a data set's real images."""
    with np.load(npz) as arrays:
        for split in ("train", "test"):
            images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                place = folder / split / str(arrays["classes"][label])
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(place / f"{index:05d}.png")
    return folder


@pytest.mark.slow
def test_a_folder_trains_as_its_npz_does(small_cifar_npz: Path, tmp_path: Path) -> None:
    folder = unpack_to_folder(small_cifar_npz, tmp_path / "images")
    curves = []
    for source in (small_cifar_npz, folder):
        data = open_prepared(prepare(source, tmp_path))
        trainer = Trainer(TrainConfig.from_mapping(SETTING), data, Execution())
        curves.append([trainer.train_epoch(), trainer.train_epoch()])
    assert same_curve(*curves)
    assert not same_curve(curves[0][:1], curves[0][1:])
