"""The images that a benchmark trains on: real ones, whole or a part."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from trainers.data import ImageData, open_prepared, prepare

if TYPE_CHECKING:
    from benchmarks.harness import Options

REPOSITORY = Path(__file__).resolve().parents[1]


def dataset(options: Options) -> str:
    """What ``--dataset`` names, or the default of the size. Ends the program where it is not."""
    if options.dataset:
        return options.dataset
    if options.smallest:
        return "digits32"
    path = Path(options.data_dir) / "benchmarks" / "cifar10.npz"
    if not path.exists():
        _unpack(path.parent)
    return str(path)


def _unpack(target: Path) -> None:
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("SHARPSEARCH_TEST_DATA") or default)
    script = folder / "unpack.py"
    if not script.exists():
        sys.exit(f"no images: {script} is not there; name a data set with --dataset")
    subprocess.run([sys.executable, str(script), str(target), "cifar10"], check=True)


def prepared(options: Options) -> Path:
    """The prepared folder of the benchmark's data set."""
    return prepare(dataset(options), options.data_dir)


def part_of(folder: Path, train: int, test: int) -> ImageData:
    """The data set in ``folder``, of each split at most so many images, spread over all of it."""
    data = open_prepared(folder)
    chosen = _spread(len(data.train_labels), train)
    shown = _spread(len(data.test_labels), test)
    return replace(
        data,
        train_images=data.train_images[chosen],
        train_labels=data.train_labels[chosen],
        test_images=data.test_images[shown],
        test_labels=data.test_labels[shown],
    )


def _spread(there: int, wanted: int) -> torch.Tensor | slice:
    """Images may lie sorted by class, so the first ones would not do. A slice copies nothing."""
    if wanted >= there:
        return slice(None)
    return torch.arange(wanted) * there // wanted
