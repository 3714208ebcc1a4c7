"""CIFAR-10 and CIFAR-100, fetched and checked by torchvision.

Source: Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009.
"""

from __future__ import annotations

import tarfile
import warnings
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from trainers.data.errors import DataError, one_line
from trainers.data.raw import RawSet, RawSplit, Source, split_of

_FAILURES = (OSError, RuntimeError, HTTPException, tarfile.TarError, EOFError)


def cifar_source(name: str, class_name: str, md5: str, data_dir: Path) -> Source:
    """The class ``class_name`` of torchvision.datasets, its archive kept in ``data_dir``.

    ``md5`` is of the archive; torchvision refuses any other, so it stands for the content.
    """
    return Source(name, lambda memo: md5, partial(_read, name, class_name, data_dir))


def _read(name: str, class_name: str, data_dir: Path) -> RawSet:
    try:
        train = _fetch(class_name, data_dir, train=True)
        test = _fetch(class_name, data_dir, train=False)
    except _FAILURES as error:
        raise DataError(
            f"could not fetch {name}: {one_line(error)}; give a local copy with --dataset PATH "
            "(an .npz file or an image folder), or use --preset quick, which needs no network"
        ) from None
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
