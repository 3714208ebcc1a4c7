"""A few real images, prepared."""

from __future__ import annotations

from pathlib import Path

from trainers.data import open_prepared, prepare


def test_a_few_real_images_are_prepared(small_cifar_npz: Path, tmp_path: Path) -> None:
    data = open_prepared(prepare(small_cifar_npz, tmp_path))
    assert data.train_images.shape == (400, 32, 32, 3)
    assert data.test_images.shape == (100, 32, 32, 3)
    assert data.classes == ("airplane", "cat", "frog", "ship")
    # Pixels of photographs: no channel is nearly constant.
    assert all(0.2 < value < 0.8 for value in data.mean)
    assert all(0.1 < value < 0.4 for value in data.std)
