"""Data sets of torchvision by their names, through fake downloads; .npy files; images of any size.

The real classes of torchvision are called; only the fetching of their files is replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from trainers.data import DataError, ImageData, open_prepared, prepare


def pixels(count: int, side: int, channels: int) -> np.ndarray:
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, side, side, channels), np.uint8)


@pytest.fixture
def svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """SVHN's own files, of a few images; what was fetched."""
    fetched: list[str] = []

    def download(url: str, root: Any, filename: str, md5: str) -> None:
        fetched.append(filename)
        count = 12 if filename.startswith("train") else 5
        content = {
            "X": pixels(count, 32, 3).transpose(1, 2, 3, 0),
            "y": np.arange(count)[:, None] % 10 + 1,  # in the file, 10 stands for the digit 0
        }
        savemat(Path(root) / filename, content)

    monkeypatch.setattr("torchvision.datasets.svhn.download_url", download)
    monkeypatch.setattr(datasets.SVHN, "_check_integrity", lambda self: True)
    return fetched


def test_svhn_by_its_name(svhn: list[str], tmp_path: Path) -> None:
    folder = prepare("torchvision:SVHN", tmp_path)
    data = open_prepared(folder)
    assert svhn == ["train_32x32.mat", "test_32x32.mat"]
    np.testing.assert_array_equal(data.train_images, pixels(12, 32, 3))
    assert data.train_labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert data.test_labels.tolist() == [1, 2, 3, 4, 5]
    assert (data.name, data.num_classes) == ("SVHN", 10)
    assert prepare("torchvision:SVHN", tmp_path) == folder
    assert len(svhn) == 2  # it is kept


class Fake:
    """A classification set of mixed sizes; ``split`` as torchvision has it."""

    def __init__(self, root: str, split: str = "train", download: bool = False):
        if split not in ("train", "val"):
            raise ValueError(f"unknown split {split}")
        sizes = [(9, 7), (8, 8), (5, 12)]
        self.images = [Image.new("RGB", size, (40 * i, 9, 9)) for i, size in enumerate(sizes)]
        self._labels = [0, 1, 1] if split == "train" else [1, 0, 1]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return self.images[i], self._labels[i]


class Grey(Fake):
    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return self.images[i].convert("L").resize((6, 6)), self._labels[i]


class Boxes(Fake):
    _labels: Any

    def __getitem__(self, i: int) -> Any:
        return self.images[i], {"boxes": []}

    def __init__(self, root: str, split: str = "train", download: bool = False):
        super().__init__(root, split, download)
        del self._labels


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Prepares one of the classes above as if torchvision had it."""

    def make(kind: type, image_size: int | None = None) -> ImageData:
        monkeypatch.setattr(datasets, kind.__name__, kind, raising=False)
        monkeypatch.setattr(datasets, "__all__", (*datasets.__all__, kind.__name__))
        name = f"torchvision:{kind.__name__}"
        return open_prepared(prepare(name, tmp_path, image_size=image_size))

    return make


def test_mixed_sizes_are_made_one(offer: Any) -> None:
    data = offer(Fake, 4)
    assert data.train_images.shape == (3, 4, 4, 3)
    assert [int(image[0, 0, 0]) for image in data.train_images] == [0, 40, 80]
    assert data.test_labels.tolist() == [1, 0, 1]
    assert data.classes == ("0", "1")


def test_grey_images_stay_grey(offer: Any) -> None:
    assert offer(Grey).train_images.shape == (3, 6, 6, 1)


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [
        (Fake, None, "images must be square, got 7 x 9"),
        (Boxes, 4, "torchvision:Boxes does not give each image one class"),
    ],
)
def test_what_cannot_be_used_is_one_line(offer: Any, kind: type, size: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        offer(kind, size)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:SVNH", "torchvision has no data set 'SVNH'; did you mean 'SVHN'"),
        ("torchvision:EMNIST", "EMNIST cannot be had by its name alone: .*split"),
        ("torchvision:SBU", "torchvision:SBU has no part for training and one for test"),
    ],
)
def test_an_unknown_name_is_one_line(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        prepare(name, tmp_path)


def test_a_download_that_fails_says_what_to_do(
    svhn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.svhn.download_url", fails)
    with pytest.raises(DataError, match=r"could not fetch torchvision:SVHN: no route.*--dataset P"):
        prepare("torchvision:SVHN", tmp_path)


def test_a_size_is_for_images_that_are_decoded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--image-size is for image folders and torchvision:NAME"):
        prepare("digits", tmp_path, image_size=4)


@pytest.fixture
def mixed_folder(tmp_path: Path) -> Path:
    """Grey and coloured photographs, high and wide."""
    root = tmp_path / "photos"
    for split in ("train", "test"):
        for label, (mode, size) in enumerate((("RGB", (12, 8)), ("L", (6, 9)), ("RGBA", (4, 4)))):
            folder = root / split / f"class{label}"
            folder.mkdir(parents=True)
            for i in range(2):
                Image.new(mode, size, 100 + label).save(folder / f"{i}.png")
    return root


def test_a_folder_of_mixed_sizes(mixed_folder: Path, tmp_path: Path) -> None:
    small = open_prepared(prepare(mixed_folder, tmp_path / "d", image_size=4))
    large = open_prepared(prepare(mixed_folder, tmp_path / "d", image_size=8))
    assert (small.train_images.shape, large.test_images.shape) == ((6, 4, 4, 3), (6, 8, 8, 3))
    assert small.train_images[2].unique().tolist() == [101]  # grey: the same in all channels
    with pytest.raises(DataError, match=r"square, got 8 x 12 .*; --image-size N makes them so"):
        prepare(mixed_folder, tmp_path / "d")


def test_the_middle_is_cut_out_and_resized(tmp_path: Path) -> None:
    """Of a wide image black at both sides and white in the middle, the middle is left."""
    image = np.zeros((8, 24, 3), np.uint8)
    image[:, 6:18] = 255  # wider than the square, since a filter looks beside it
    for split in ("train", "test"):
        (tmp_path / "p" / split / "a").mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "p" / split / "a" / "0.png")
    data = open_prepared(prepare(tmp_path / "p", tmp_path / "d", image_size=4))
    assert data.train_images.unique().tolist() == [255]


def test_npy_files_equal_the_npz_of_the_same_arrays(
    tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    np.savez(tmp_path / "same.npz", **tiny_arrays)
    (tmp_path / "same").mkdir()
    for name, array in tiny_arrays.items():
        np.save(tmp_path / "same" / f"{name}.npy", array)
    packed = open_prepared(prepare(tmp_path / "same.npz", tmp_path / "d"))
    loose = open_prepared(prepare(tmp_path / "same", tmp_path / "d"))
    assert loose.fingerprint == packed.fingerprint
    assert loose.classes == packed.classes


def test_npy_files_that_break_a_rule_are_one_line(
    tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    np.save(folder / "train_images.npy", tiny_arrays["train_images"])
    with pytest.raises(DataError, match="no array 'train_labels'"):
        prepare(folder, tmp_path / "d")
    (folder / "train_labels.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"train_labels\.npy: not a valid \.npy file"):
        prepare(folder, tmp_path / "d")
