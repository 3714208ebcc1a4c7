"""Scikit-learn's 1,797 handwritten digits: real images that need no network.

Source: Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, 1998 (UCI).
About 80 % of each digit are for training and 20 % for test: ``split_indices(labels, 0.2, 0)``.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from trainers.data.raw import RawSet, Source, split_of
from trainers.data.split import split_indices

TEST_FRACTION = 0.2
SPLIT_SEED = 0


def digits_source(name: str, size: int, channels: int) -> Source:
    """The digits, 8 x 8, enlarged to ``size`` (nearest), with ``channels`` equal channels."""
    return Source(name, partial(_content, size, channels), partial(_read, size, channels))


def _content(size: int, channels: int, memo: Path) -> str:
    split = f"{TEST_FRACTION} {SPLIT_SEED}"
    return f"digits {version('scikit-learn')} {size} {channels} {split}"


def _read(size: int, channels: int) -> RawSet:
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = digits.target.astype(np.int64)
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # values 0..16
    images = images.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
    images = images[..., None].repeat(channels, axis=3)
    train, test = split_indices(labels, TEST_FRACTION, SPLIT_SEED)
    return RawSet(
        split_of(images[train], labels[train]),
        split_of(images[test], labels[test]),
        tuple(str(name) for name in digits.target_names),
    )
