"""Fixtures that all packages' tests share: where the real images are, and small sets of them."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# Tensors here are so small that a second thread only waits, in child processes too.
os.environ["OMP_NUM_THREADS"] = "1"

REPOSITORY = Path(__file__).resolve().parents[1]
FEW_CLASSES = ("airplane", "cat", "frog", "ship")
FEW_TRAIN, FEW_TEST = 100, 25  # images of each class
TARGETS = {  # of folders that have their own
    "benchmarks": "make bench-smoke",
    "end_to_end": "make test-end-to-end",
    "faults": "make faults",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A folder with a target of its own is collected only where the command line names it."""
    if collection_path.parent != Path(__file__).parent or collection_path.name not in TARGETS:
        return None
    named = (config.invocation_params.dir / part.split("::")[0] for part in config.args)
    return None if any(path.is_relative_to(collection_path) for path in named) else True


def pytest_collection_finish() -> None:
    """What is imported by now stays: the garbage collector need not go through it in every test."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, so that no process ends long after the other."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images: SHARPSEARCH_TEST_DATA, else shared/data beside the repository."""
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("SHARPSEARCH_TEST_DATA") or default)
    if not (folder / "cifar10" / "train").is_dir():
        pytest.skip(f"no real images: SHARPSEARCH_TEST_DATA must name a folder, {folder} has none")
    return folder


@pytest.fixture(scope="session")
def small_cifar_npz(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real CIFAR-10 images of 4 classes, of each the first 100 for training and 25 for test."""
    path = tmp_path_factory.mktemp("small_cifar") / "small_cifar.npz"
    arrays: dict[str, Any] = {"classes": np.array(FEW_CLASSES)}
    for split, count in (("train", FEW_TRAIN), ("test", FEW_TEST)):
        sheets = [shared_data / "cifar10" / split / f"{name}.webp" for name in FEW_CLASSES]
        arrays[f"{split}_images"] = np.concatenate([tiles(sheet)[:count] for sheet in sheets])
        arrays[f"{split}_labels"] = np.repeat(np.arange(len(sheets), dtype=np.uint8), count)
    np.savez(path, **arrays)
    return path


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts Ray fails the test."""
    import ray

    monkeypatch.setattr(ray, "init", lambda **options: pytest.fail("Ray was started"))


@pytest.fixture
def tiny_arrays() -> dict[str, Any]:
    """What a valid .npz file holds: 6 + 3 made images, 4 x 4, of 3 classes."""
    random = np.random.default_rng(0)
    return {
        "train_images": random.integers(0, 256, (6, 4, 4, 3), dtype=np.uint8),
        "train_labels": np.array([0, 1, 2, 0, 1, 2]),
        "test_images": random.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8),
        "test_labels": np.array([2, 1, 0]),
        "classes": np.array(["ant", "bee", "cow"]),
    }


@pytest.fixture
def tiny_npz(tiny_arrays: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "tiny.npz"
    np.savez(path, **tiny_arrays)
    return path


def tiles(sheet: Path) -> np.ndarray:
    """The 32 x 32 images (N, 32, 32, 3) of one class's sheet, row by row."""
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGB"))
    rows, columns = pixels.shape[0] // 32, pixels.shape[1] // 32
    return pixels.reshape(rows, 32, columns, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)
