"""Data sets by name: the digits, torchvision's CIFAR, and names that do not exist."""

from __future__ import annotations

import hashlib
import http.client
import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from torchvision import datasets

from trainers.data import DATASETS, SHAPES, DataError, ImageData, open_prepared, prepare
from trainers.validators import ConfigError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def digits(data_dir: Path) -> ImageData:
    return open_prepared(prepare("digits", data_dir))


def test_the_digits_are_all_there_once(digits: ImageData) -> None:
    source = load_digits()
    images = np.concatenate([digits.train_images.numpy(), digits.test_images.numpy()])
    labels = np.concatenate([digits.train_labels.numpy(), digits.test_labels.numpy()])
    assert images.shape == (1797, 8, 8, 1)
    found = sorted(
        (int(label), image.tobytes()) for image, label in zip(images, labels, strict=True)
    )
    scaled = np.round(source.images / 16 * 255).astype(np.uint8)
    assert found == sorted(
        (int(label), image.tobytes()) for image, label in zip(scaled, source.target, strict=True)
    )
    assert images.max() == 255
    assert digits.classes == tuple("0123456789")


def test_the_digits_are_divided_eighty_to_twenty_in_every_class(digits: ImageData) -> None:
    train = np.bincount(digits.train_labels.numpy())
    test = np.bincount(digits.test_labels.numpy())
    np.testing.assert_array_equal(test, np.round((train + test) * 0.2))


@pytest.mark.parametrize("size", [32, 64])
def test_enlarged_digits_are_the_same_images(digits: ImageData, data_dir: Path, size: int) -> None:
    large = open_prepared(prepare(f"digits{size}", data_dir))
    assert (large.image_size, large.in_channels) == (size, 3)
    assert large.train_labels.equal(digits.train_labels)
    factor = size // 8
    for row, column, channel in ((0, 0, 0), (factor - 1, factor - 1, 1), (1, 2, 2)):
        part = large.test_images[:, row::factor, column::factor, channel]
        assert part.equal(digits.test_images[..., 0])


def test_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'cifr10'; did you mean 'cifar10'.*digits, digits32"):
        prepare("cifr10", tmp_path)
    with pytest.raises(ConfigError, match="unknown data set ''"):
        prepare("", tmp_path)


@pytest.mark.parametrize(
    "name",
    ["./cifar10", "nowhere/data", "data.npz", "/nowhere/at/all", "~nobody/x", Path("digits")],
)
def test_a_missing_path_is_called_so(tmp_path: Path, name: str | Path) -> None:
    with pytest.raises(DataError, match=f"^no such file or folder: {name}$"):
        prepare(name, tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known\nand a second line"),
        ConnectionResetError("reset by peer"),
        http.client.IncompleteRead(b""),
        RuntimeError("File not found or corrupted."),
    ],
)
@pytest.mark.parametrize(("name", "kind"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_without_network_one_line_tells_the_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str, error: Exception
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, kind, fail)
    message = f"could not fetch {name}: .*--dataset PATH.*--preset quick"
    with pytest.raises(DataError, match=message) as caught:
        prepare(name, tmp_path)
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert not list((tmp_path / "cache").glob("*/meta.json"))


def _write_batch(path: Path, content: dict[str, Any]) -> list[str]:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return [path.name, hashlib.md5(path.read_bytes()).hexdigest()]


@pytest.mark.parametrize(
    ("name", "kind", "labels", "names"),
    [
        ("cifar10", datasets.CIFAR10, "labels", "label_names"),
        ("cifar100", datasets.CIFAR100, "fine_labels", "fine_label_names"),
    ],
)
def test_files_of_torchvision_are_decoded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kind: Any,
    labels: str,
    names: str,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    folder = tmp_path / kind.base_folder
    flat = pixels.reshape(5, -1)
    train = _write_batch(folder / "made_train", {"data": flat[:3], labels: [1, 0, 1]})
    test = _write_batch(folder / "made_test", {"data": flat[3:], labels: [0, 1]})
    meta = _write_batch(folder / "made_meta", {names: ["cat", "dog"]})
    monkeypatch.setattr(kind, "train_list", [train])
    monkeypatch.setattr(kind, "test_list", [test])
    monkeypatch.setattr(kind, "meta", {"filename": meta[0], "key": names, "md5": meta[1]})

    data = open_prepared(prepare(name, tmp_path))
    images = pixels.transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(data.train_images, images[:3])
    np.testing.assert_array_equal(data.test_images, images[3:])
    assert data.train_labels.tolist() == [1, 0, 1]
    assert data.test_labels.tolist() == [0, 1]
    assert data.classes == ("cat", "dog")
    assert data.name == name


def test_shapes_are_told_without_the_data(digits: ImageData) -> None:
    assert set(SHAPES) == set(DATASETS)
    shape = SHAPES["digits"]
    found = (digits.image_size, digits.in_channels, digits.num_classes)
    assert (shape.side, shape.channels, shape.classes) == found
    assert SHAPES["tiny-imagenet-200"].classes == 200


def test_tiny_imagenet_is_looked_for_in_the_data_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not at .*: unpack .*--dataset PATH"):
        prepare("tiny-imagenet-200", tmp_path)
    for split in ("train", "val"):
        for name in ("n01", "n02"):
            folder = tmp_path / "tiny-imagenet-200" / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (8, 8), "red").save(folder / f"{split}_{name}.png")
    data = open_prepared(prepare("tiny-imagenet-200", tmp_path))
    assert data.classes == ("n01", "n02")
