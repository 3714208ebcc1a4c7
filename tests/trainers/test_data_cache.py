"""Preparing once, and mapping from every process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trainers.data import open_prepared, prepare, verify_prepared


@pytest.fixture
def tiny_npz(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    path = tmp_path / "tiny.npz"
    np.savez(
        path,
        train_images=random.integers(0, 256, (6, 4, 4, 3), dtype=np.uint8),
        train_labels=np.array([0, 1, 2, 0, 1, 2]),
        test_images=random.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8),
        test_labels=np.array([2, 1, 0]),
        classes=np.array(["ant", "bee", "cow"]),
    )
    return path


def test_gives_what_the_file_holds(tiny_npz: Path, tmp_path: Path) -> None:
    data = open_prepared(prepare(tiny_npz, tmp_path))
    with np.load(tiny_npz) as source:
        pixels = source["train_images"] / 255
        for name in ("train_images", "train_labels", "test_images", "test_labels"):
            np.testing.assert_array_equal(getattr(data, name).numpy(), source[name])
    assert data.name == "tiny"
    assert data.classes == ("ant", "bee", "cow")
    assert (data.num_classes, data.in_channels, data.image_size) == (3, 3, 4)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.dtype == torch.int64
    assert data.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)))
    assert data.std == pytest.approx(pixels.std(axis=(0, 1, 2)))
    verify_prepared(prepare(tiny_npz, tmp_path))
