"""A data set in a folder of image files.

Two layouts: ``train/<class>/…`` with ``test/<class>/…`` or else ``val/<class>/…``, listed as
torchvision's ``ImageFolder`` lists it (without importing torch); and Tiny-ImageNet's, where the
classes of ``val/images`` are in ``val/val_annotations.txt``. Classes are sorted by name, as text,
and so are the files of each, sub-folders last. Hidden files and folders do not count; what else
is left out is said.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainers.data.images import DataError, RawSet, RawSplit, Source, check_square, one_line
from trainers.data.prepared import content_hash

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
ANNOTATIONS = "val/val_annotations.txt"
BOTH = (
    "{root}: test/ is the test set and val/ is left out; validation images are a share of train/ "
    "(--set val_fraction=…)"
)
ANNOTATED = "{root}: val/, which has annotations, is the test set and test/ is left out"
PIECE = 2**23  # bytes decoded at a time, and at least one image
REMEDY = "--image-size N makes them so"
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
# Modes of 8 bits a channel or fewer; Pillow would clip the others (16 bits) without a word.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
Labelled = list[tuple[str, int]]  # each file's path below the root, with ``/``, and its label


def folder_source(root: Path, side: int | None = None) -> Source:
    """Return the images below ``root``, named after it; with ``side``, each made square of so many
    pixels. Raises ``DataError`` naming folder or file."""
    listing = _Listing(root)
    try:
        listing.read()
    except OSError as error:
        raise DataError(f"cannot read {root}: {one_line(error)}") from None

    def content(memo: Path) -> str:
        return content_hash(root, listing.names, memo) + (f" {side}" if side else "")

    return Source(root.resolve().name, content, partial(_read, listing, side), listing.remarks())


class _Listing:
    """The images that the folder ``root`` holds, and the class of each."""

    def __init__(self, root: Path):
        self.root = root
        self.classes: tuple[str, ...] = ()
        self.train: Labelled = []
        self.test: Labelled = []
        self._said: list[str] = []
        self._left_out: list[str] = []

    @property
    def names(self) -> list[str]:
        """All files that decide what is read."""
        extra = [ANNOTATIONS] if self._annotated else []
        return [name for name, _ in (*self.train, *self.test)] + extra

    @property
    def _annotated(self) -> bool:
        return (self.root / ANNOTATIONS).is_file()

    def read(self) -> None:
        """Raises ``DataError`` and ``OSError``."""
        root = self.root
        if not (root / "train").is_dir():
            raise DataError(f"{root}: no folder 'train' in it; it must hold train/<class>/*.png")
        self.classes = tuple(self._folders("train"))
        if not self.classes:
            raise DataError(
                f"{root / 'train'}: no class folders in it, needed: train/<class>/*.png"
            )
        self.train = self._split("train")
        tests = [split for split in ("test", "val") if (root / split).is_dir()]
        if self._annotated:
            self._said += [ANNOTATED.format(root=root)] if "test" in tests else []
            self.test = self._annotated_split()
        elif tests:
            self._said += [BOTH.format(root=root)] if len(tests) > 1 else []
            self.test = self._split(tests[0])
        else:
            raise DataError(f"{root}: no folder 'test' or 'val' in it, needed: test/<class>/*.png")

    def remarks(self) -> tuple[str, ...]:
        """Return what was left out, and how classes are numbered where one might think
        otherwise."""
        said = list(self._said)
        if self._left_out:
            kinds = Counter(Path(name).suffix.lower() or "no suffix" for name in self._left_out)
            shown = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
            said.append(
                f"{self.root}: files left out: {shown}, such as {self._left_out[0]}; images are "
                f"{', '.join(SUFFIXES)} in the folder of a class"
            )
        numbers = [int(name) for name in self.classes if name.isdecimal()]
        if len(numbers) == len(self.classes) and numbers != sorted(numbers):
            said.append(
                f"{self.root}: classes are in the order of their names as text: "
                f"{', '.join(self.classes[:4])}, …"
            )
        return tuple(said)

    def _split(self, split: str) -> Labelled:
        labels = {name: label for label, name in enumerate(self.classes)}
        found: Labelled = []
        for name in self.classes if split == "train" else self._folders(split):
            if name not in labels:
                raise DataError(f"{self.root / split / name}: no class {name!r} in train")
            files = self._images(f"{split}/{name}")
            if not files and split == "train":
                raise DataError(
                    f"{self.root / split / name}: no images in it ({', '.join(SUFFIXES)})"
                )
            found += [(file, labels[name]) for file in files]
        if not found:
            raise DataError(f"{self.root / split}: no images in it, needed: {split}/<class>/*.png")
        return found

    def _annotated_split(self) -> Labelled:
        labels = {name: label for label, name in enumerate(self.classes)}
        path, folder = self.root / ANNOTATIONS, "val/images"
        classes = _read_annotations(path)
        for file, name in classes.items():
            if name not in labels:
                raise DataError(f"{path}: class {name!r} of {file!r} is not in train")
        files = [name.removeprefix(f"{folder}/") for name in self._images(folder)]
        odd = sorted(set(files) ^ set(classes))
        if odd:
            problem = "has no line" if odd[0] in files else f"is not in {folder}"
            raise DataError(f"{path}: image {odd[0]!r} {problem}")
        if not files:
            raise DataError(f"{self.root / folder}: no images in it ({', '.join(SUFFIXES)})")
        return [(f"{folder}/{file}", labels[classes[file]]) for file in files]

    def _folders(self, folder: str) -> list[str]:
        """Return the names of the folders in ``folder``, sorted; files beside them are left out."""
        items = self._items(folder)
        self._left_out += [f"{folder}/{item.name}" for item in items if not item.is_dir()]
        return [item.name for item in items if item.is_dir()]

    def _images(self, folder: str) -> list[str]:
        """Return the images in ``folder`` and then those of its sub-folders."""
        images, below = [], []
        for item in self._items(folder):
            name = f"{folder}/{item.name}"
            if item.is_dir():
                below.append(name)
            elif item.is_file() and name.lower().endswith(SUFFIXES):
                images.append(name)
            else:
                self._left_out.append(name)
        return images + [name for part in below for name in self._images(part)]

    def _items(self, folder: str) -> list[os.DirEntry[str]]:
        with os.scandir(self.root / folder) as entries:
            visible = (entry for entry in entries if not entry.name.startswith("."))
            return sorted(visible, key=lambda entry: entry.name)


def _read_annotations(path: Path) -> dict[str, str]:
    """Return file name → class, from lines of file, class and a box, separated by tabs."""
    annotated: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        parts = line.split("\t")
        if len(parts) < 2 or parts[0] in annotated:
            raise DataError(f"{path}: line {number} must be 'file<tab>class…', once for each file")
        annotated[parts[0]] = parts[1].strip()
    return annotated


def _read(listing: _Listing, side: int | None) -> RawSet:
    first = listing.root / listing.train[0][0]
    size = (side, side) if side else image_size(first)
    try:
        check_square(str(first), size[1], size[0])
    except DataError as error:
        raise DataError(f"{error}; {REMEDY}") from None

    def split(files: Labelled) -> RawSplit:
        labels = np.array([label for _, label in files], np.int64)
        paths = [listing.root / name for name, _ in files]
        shape = (len(files), size[1], size[0], 3)
        return RawSplit(shape, labels, _decode(paths, size, bool(side)))

    return RawSet(split(listing.train), split(listing.test), listing.classes)


def _decode(paths: Sequence[Path], size: tuple[int, int], fit: bool) -> Iterator[np.ndarray]:
    width, height = size
    count = max(1, PIECE // (width * height * 3))
    for start in range(0, len(paths), count):
        yield np.stack([read_image(path, size, fit) for path in paths[start : start + count]])


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels, upright. Raises ``DataError``."""
    try:
        with _opened(path) as image:
            return upright(image).size
    except Exception as error:  # Pillow raises a dozen kinds for damaged files
        raise _unreadable(path, error) from None


def read_image(path: Path, size: tuple[int, int], fit: bool = False) -> np.ndarray:
    """Return the pixels (H, W, 3) uint8, upright; transparency is dropped.

    Raises ``DataError`` when the file is damaged or, unless it is to ``fit``, not of ``size``
    (width, height).
    """
    try:
        with _opened(path) as opened:
            image = upright(opened)
            if (fit or image.size == size) and image.mode in _MODES:
                return np.asarray(fitted(_to_rgb(image), size))
            found, mode = image.size, image.mode
    except Exception as error:
        raise _unreadable(path, error) from None
    if mode not in _MODES:
        raise DataError(f"{path}: images must have 8 bits a channel, got mode {mode}")
    raise DataError(
        f"{path}: all images must have one size, {size[0]} x {size[1]} pixels as the first, "
        f"got {found[0]} x {found[1]} (width x height); {REMEDY}"
    )


def _opened(path: Path) -> Image.Image:
    from PIL import Image  # only where images are read: every worker imports this module

    return Image.open(path, formats=_FORMATS)


def upright(image: Image.Image) -> Image.Image:
    """Return ``image`` turned as its EXIF orientation says: phones store what they saw,
    sideways."""
    from PIL import ExifTags, ImageOps

    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the middle of ``image`` in the proportions of ``size``, resized to it, bilinear."""
    from PIL import Image, ImageOps

    if image.size == size:
        return image
    return ImageOps.fit(image, size, Image.Resampling.BILINEAR)


def _to_rgb(image: Image.Image) -> Image.Image:
    if "transparency" in image.info:  # Pillow warns when a palette's is dropped in one step
        image = image.convert("RGBA")
    return image.convert("RGB")


def _unreadable(path: Path, error: BaseException) -> DataError:
    return DataError(f"{path}: not a readable image: {one_line(error)}")
