"""Data sets that libraries bring: scikit-learn's digits, and what torchvision fetches and checks.

The digits are real images that need no network: Alpaydin and Kaynak, *Optical Recognition of
Handwritten Digits*, 1998 (UCI). CIFAR-10 and CIFAR-100 have names of their own: Krizhevsky,
*Learning Multiple Layers of Features from Tiny Images*, 2009. Any other is ``torchvision:NAME``.
"""

from __future__ import annotations

import inspect
import tarfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from trainers.data.folder import REMEDY, fitted, upright
from trainers.data.images import (
    DataError,
    RawSet,
    RawSplit,
    Source,
    check_square,
    one_line,
    split_of,
)
from trainers.data.split import split_indices
from trainers.validators import suggest

DIGITS_TEST_FRACTION, DIGITS_SPLIT_SEED = 0.2, 0  # of each digit
_LABELS = ("targets", "labels", "_labels")  # as one class or another calls them
_FAILURES = (OSError, RuntimeError, HTTPException, tarfile.TarError, EOFError)


def digits_source(name: str, size: int, channels: int) -> Source:
    """Return the 1,797 digits, 8 x 8, enlarged to ``size`` (nearest), with ``channels`` equal
    channels."""
    split = f"{DIGITS_TEST_FRACTION} {DIGITS_SPLIT_SEED}"
    content = f"digits {version('scikit-learn')} {size} {channels} {split}"
    return Source(name, lambda memo: content, partial(_read_digits, size, channels))


def _read_digits(size: int, channels: int) -> RawSet:
    from sklearn.datasets import load_digits

    digits = load_digits()
    labels = digits.target.astype(np.int64)
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # values 0..16
    images = images.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
    images = images[..., None].repeat(channels, axis=3)
    train, test = split_indices(labels, DIGITS_TEST_FRACTION, DIGITS_SPLIT_SEED)
    return RawSet(
        split_of(images[train], labels[train]),
        split_of(images[test], labels[test]),
        tuple(str(name) for name in digits.target_names),
    )


def cifar_source(name: str, class_name: str, md5: str, data_dir: Path) -> Source:
    """Return the class ``class_name`` of torchvision.datasets, its archive kept in ``data_dir``.

    ``md5`` is of the archive; torchvision refuses any other, so it stands for the content.
    """
    return Source(name, lambda memo: md5, partial(_read, name, class_name, data_dir))


def torchvision_source(class_name: str, data_dir: Path, side: int | None = None) -> Source:
    """Return the class ``class_name`` of torchvision.datasets, which checks what it fetches.

    Grey images stay grey. With ``side`` each is made square of so many pixels.
    """
    content = f"torchvision {version('torchvision')} {class_name} {side}"
    return Source(class_name, lambda memo: content, partial(_read_any, class_name, data_dir, side))


def _read_any(class_name: str, data_dir: Path, side: int | None) -> RawSet:
    from torchvision import datasets

    kind = getattr(datasets, class_name, None) if class_name in datasets.__all__ else None
    if kind is None:
        raise DataError(
            f"torchvision has no data set {class_name!r}{suggest(class_name, datasets.__all__)}"
        )
    known = inspect.signature(kind).parameters
    download = {"download": True} if "download" in known else {}
    try:
        train, test = (
            _first_of([partial(kind, str(data_dir), **way, **download) for way in ways])
            for ways in _splits(class_name, known)
        )
    except _FAILURES as error:
        raise _not_fetched(f"torchvision:{class_name}", error) from None
    except (TypeError, ValueError) as error:  # EMNIST wants to know which of its six sets
        raise DataError(
            f"torchvision:{class_name} cannot be had by its name alone: {one_line(error)}"
        ) from None
    first, _ = train[0]
    size = (side, side) if side else upright(first).size
    mode = "L" if first.mode in ("1", "L") else "RGB"
    splits = [_any_split(class_name, part, size, mode, bool(side)) for part in (train, test)]
    count = 1 + max(int(part.labels.max()) for part in splits)
    names = tuple(str(name) for name in getattr(train, "classes", ()))
    classes = names if len(names) >= count else tuple(map(str, range(count)))
    return RawSet(splits[0], splits[1], classes)


def _splits(class_name: str, known: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """Return how the data set names its two parts: each a few ways, of which one works."""
    if "train" in known:
        return [[{"train": True}], [{"train": False}]]
    if "split" in known:
        return [
            [{"split": name} for name in ("train", "trainval")],
            [{"split": name} for name in ("test", "val")],
        ]
    raise DataError(f"torchvision:{class_name} has no part for training and one for test")


def _first_of(ways: Sequence[Callable[[], Any]]) -> Any:
    """Return the first way that works; torchvision says with ``ValueError`` that it has no such
    part."""
    for way in ways[:-1]:
        with suppress(ValueError):
            return way()
    return ways[-1]()


def _any_split(
    class_name: str, fetched: Any, size: tuple[int, int], mode: str, fit: bool
) -> RawSplit:
    labels = next(
        (getattr(fetched, name) for name in _LABELS if hasattr(fetched, name)),
        None,
    )
    if labels is None:
        labels = [fetched[i][1] for i in range(len(fetched))]
    found = np.asarray(labels)
    if found.dtype.kind not in "iu" or found.shape != (len(fetched),) or found.min() < 0:
        raise DataError(f"torchvision:{class_name} does not give each image one class")
    check_square(f"torchvision:{class_name}", size[1], size[0])
    shape = (len(fetched), size[1], size[0], 1 if mode == "L" else 3)
    return RawSplit(shape, found.astype(np.int64), _images(class_name, fetched, size, mode, fit))


def _images(
    class_name: str, fetched: Any, size: tuple[int, int], mode: str, fit: bool
) -> Iterator[np.ndarray]:
    for i in range(len(fetched)):
        image = upright(fetched[i][0]).convert(mode)
        if image.size != size and not fit:
            raise DataError(
                f"torchvision:{class_name}: all images must have one size, {size[0]} x {size[1]} "
                f"as the first, got {image.size[0]} x {image.size[1]}; {REMEDY}"
            )
        pixels = np.asarray(fitted(image, size))
        yield pixels.reshape(1, size[1], size[0], -1)


def _not_fetched(name: str, error: BaseException) -> DataError:
    return DataError(
        f"could not fetch {name}: {one_line(error)}; give a local copy with --dataset PATH "
        "(an .npz file or an image folder), or use --preset quick, which needs no network"
    )


def _read(name: str, class_name: str, data_dir: Path) -> RawSet:
    try:
        train = _fetch(class_name, data_dir, train=True)
        test = _fetch(class_name, data_dir, train=False)
    except _FAILURES as error:
        raise _not_fetched(name, error) from None
    return RawSet(_split(train), _split(test), tuple(str(label) for label in train.classes))


def _fetch(class_name: str, data_dir: Path, train: bool) -> Any:
    from torchvision import datasets

    with warnings.catch_warnings():
        # The published files are of 2009; numpy warns of the way they spell a type.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        warnings.simplefilter("ignore", category=np.exceptions.VisibleDeprecationWarning)
        return getattr(datasets, class_name)(str(data_dir), train=train, download=True)


def _split(fetched: Any) -> RawSplit:
    return split_of(np.asarray(fetched.data), np.asarray(fetched.targets))
