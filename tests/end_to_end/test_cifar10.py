"""The published figures of CIFAR-10, from the real images, all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainers.data import open_prepared, prepare, stratified_split, verify_prepared


@pytest.fixture(scope="module")
def cifar10(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cifar10")
    command = [sys.executable, str(shared_data / "unpack.py"), str(folder), "cifar10"]
    subprocess.run(command, check=True, capture_output=True)
    return prepare(folder / "cifar10.npz", tmp_path_factory.mktemp("data"))


@pytest.mark.slow
def test_cifar10_has_the_published_statistics(cifar10: Path) -> None:
    data = open_prepared(cifar10)
    assert data.mean == pytest.approx((0.49140, 0.48216, 0.44653), abs=5e-6)
    assert data.std == pytest.approx((0.24703, 0.24349, 0.26159), abs=5e-6)
    assert torch.bincount(data.train_labels).tolist() == [5000] * 10
    assert torch.bincount(data.test_labels).tolist() == [1000] * 10
    verify_prepared(cifar10)
    train, val = stratified_split(data.train_labels, 0.1, seed=0)
    assert (len(train), len(val)) == (45_000, 5_000)
    assert torch.bincount(data.train_labels[val]).tolist() == [500] * 10


def bytes_read() -> int:
    """By this process so far, from files and elsewhere."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's count")
def test_opening_reads_next_to_nothing(cifar10: Path) -> None:
    """So it is as fast for any number of images: 184 MB lie in these files."""
    before = bytes_read()
    data = open_prepared(cifar10)
    assert bytes_read() - before < 100_000
    assert data.train_images.nbytes > 150_000_000
