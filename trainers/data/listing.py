"""Which image files a folder holds, and of which class each is.

Two layouts: ``train/<class>/*.png`` with ``test/<class>/*.png`` or else ``val/<class>/*.png``,
and Tiny-ImageNet's: ``train/<class>/images/*.JPEG`` with ``val/images/*.JPEG``, whose classes are
in ``val/val_annotations.txt``. Where there are test/ and val/, it is said which is left out.
Classes and files are sorted by name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainers.data.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
ANNOTATIONS = "val/val_annotations.txt"
BOTH = (
    "{root}: test/ is the test set and val/ is left out; validation images are a share of train/ "
    "(--set val_fraction=…)"
)
ANNOTATED = "{root}: val/, which has annotations, is the test set and test/ is left out"


@dataclass(frozen=True)
class Listing:
    """Each file's path below the root, with ``/``, and its label; ``extra`` are read besides.

    ``remarks`` say what was left out.
    """

    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    extra: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [*(name for name, _ in self.train), *(name for name, _ in self.test), *self.extra]


def list_folder(root: Path) -> Listing:
    """All images below ``root``. Raises ``DataError`` naming folder or file, and ``OSError``."""
    if not (root / "train").is_dir():
        raise DataError(f"{root}: no folder 'train' in it; it must hold train/<class>/*.png")
    classes = _folders(root / "train")
    if not classes:
        raise DataError(f"{root / 'train'}: no class folders in it, needed: train/<class>/*.png")
    train = _list_split(root, "train", classes)
    if (root / ANNOTATIONS).is_file():
        remarks = (ANNOTATED.format(root=root),) if (root / "test").is_dir() else ()
        return Listing(train, _list_annotated(root, classes), classes, (ANNOTATIONS,), remarks)
    found = [split for split in ("test", "val") if (root / split).is_dir()]
    if found:
        remarks = (BOTH.format(root=root),) if len(found) > 1 else ()
        return Listing(train, _list_split(root, found[0], classes), classes, (), remarks)
    raise DataError(f"{root}: no folder 'test' or 'val' in it; it must hold test/<class>/*.png")


def _list_split(root: Path, split: str, classes: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    labels = {name: label for label, name in enumerate(classes)}
    found: list[tuple[str, int]] = []
    for name in _folders(root / split):
        if name not in labels:
            raise DataError(f"{root / split / name}: no class {name!r} in train")
        folder = f"{split}/{name}"
        if (root / folder / "images").is_dir():
            folder += "/images"
        files = _images(root / folder)
        if not files and split == "train":
            raise DataError(f"{root / folder}: no images in it ({', '.join(SUFFIXES)})")
        found += [(f"{folder}/{file}", labels[name]) for file in files]
    if not found:
        raise DataError(f"{root / split}: no images in it, needed: {split}/<class>/*.png")
    return tuple(found)


def _list_annotated(root: Path, classes: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    labels = {name: label for label, name in enumerate(classes)}
    annotated = _read_annotations(root / ANNOTATIONS)
    for file, name in annotated.items():
        if name not in labels:
            raise DataError(f"{root / ANNOTATIONS}: class {name!r} of {file!r} is not in train")
    files = _images(root / "val" / "images")
    odd = sorted(set(files) ^ set(annotated))
    if odd:
        problem = "has no line" if odd[0] in files else "is not in val/images"
        raise DataError(f"{root / ANNOTATIONS}: image {odd[0]!r} {problem}")
    if not files:
        raise DataError(f"{root / 'val' / 'images'}: no images in it ({', '.join(SUFFIXES)})")
    return tuple((f"val/images/{file}", labels[annotated[file]]) for file in files)


def _read_annotations(path: Path) -> dict[str, str]:
    """File name → class, from lines of file, class and a box, separated by tabs."""
    annotated: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        parts = line.split("\t")
        if len(parts) < 2 or parts[0] in annotated:
            raise DataError(f"{path}: line {number} must be 'file<tab>class…', once for each file")
        annotated[parts[0]] = parts[1].strip()
    return annotated


def _folders(path: Path) -> tuple[str, ...]:
    with os.scandir(path) as entries:
        return tuple(sorted(item.name for item in entries if item.is_dir() and _visible(item)))


def _images(path: Path) -> list[str]:
    """Names of the image files in ``path``; other files are passed over."""
    with os.scandir(path) as entries:
        return sorted(
            item.name
            for item in entries
            if item.name.lower().endswith(SUFFIXES) and item.is_file() and _visible(item)
        )


def _visible(item: os.DirEntry[str]) -> bool:
    return not item.name.startswith(".")
