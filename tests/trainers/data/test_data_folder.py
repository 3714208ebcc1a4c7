"""Data sets in folders of image files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from trainers.data import DataError, open_prepared, prepare, verify_prepared


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_folder(root: Path, arrays: dict[str, Any], test: str = "test") -> Path:
    """The arrays as PNG files, numbered in order, in one folder a class."""
    for split, folder in (("train", "train"), ("test", test)):
        pairs = zip(arrays[f"{split}_images"], arrays[f"{split}_labels"], strict=True)
        for number, (pixels, label) in enumerate(pairs):
            save(root / folder / str(arrays["classes"][label]) / f"{number:03}.png", pixels)
    return root


@pytest.fixture
def sorted_arrays(tiny_arrays: dict[str, Any]) -> dict[str, Any]:
    """The tiny arrays in the order in which a folder is read."""
    return tiny_arrays | {
        "train_labels": np.array([0, 0, 1, 1, 2, 2]),
        "test_labels": np.array([0, 1, 2]),
    }


@pytest.fixture
def folder(sorted_arrays: dict[str, Any], tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pets", sorted_arrays)


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_equals_the_npz_of_the_same_images(
    sorted_arrays: dict[str, Any], tmp_path: Path, test: str
) -> None:
    root = write_folder(tmp_path / "pets", sorted_arrays, test)
    np.savez(tmp_path / "same.npz", **sorted_arrays)
    data = open_prepared(prepare(root, tmp_path / "data"))
    same = open_prepared(prepare(tmp_path / "same.npz", tmp_path / "data"))
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert getattr(data, name).equal(getattr(same, name))
    assert data.classes == ("ant", "bee", "cow")
    assert data.fingerprint == same.fingerprint
    assert (data.name, same.name) == ("pets", "same")


def test_test_is_preferred_to_val_and_that_is_said(folder: Path, tmp_path: Path) -> None:
    remarks: list[str] = []
    prepare(folder, tmp_path, remark=remarks.append)
    assert remarks == []
    save(folder / "val" / "ant" / "0.png", np.zeros((4, 4, 3), np.uint8))
    for _ in range(2):  # also when it is prepared already
        assert len(open_prepared(prepare(folder, tmp_path, None, remarks.append)).test_labels) == 3
    said = f"{folder}: test/ is the test set and val/ is left out; validation images are a share of"
    assert [text.startswith(said) for text in remarks] == [True, True]


def remarks_of(source: Path, tmp_path: Path) -> list[str]:
    remarks: list[str] = []
    for _ in range(2):  # also when it is prepared already
        remarks.clear()
        prepare(source, tmp_path / "data", remark=remarks.append)
    return remarks


def test_sub_folders_are_read_and_what_is_left_out_is_said(
    folder: Path, sorted_arrays: dict[str, Any], tmp_path: Path
) -> None:
    before = open_prepared(prepare(folder, tmp_path / "data")).train_labels.tolist()
    save(folder / "train" / "bee" / "more" / "0.png", sorted_arrays["train_images"][0])
    for name in ("train/ant/0.tif", "train/ant/1.TIF", "train/stray.png", "test/cow/notes.txt"):
        (folder / name).write_bytes(b"")
    (folder / "train" / "ant" / "broken.png").symlink_to("nowhere.png")
    (folder / "train" / "ant" / ".hidden.gif").write_bytes(b"")
    data = open_prepared(prepare(folder, tmp_path / "data"))
    assert data.train_labels.tolist() == sorted([*before, 1])
    assert data.train_images[4].numpy().tolist() == sorted_arrays["train_images"][0].tolist()
    (said,) = remarks_of(folder, tmp_path)
    assert said.startswith(f"{folder}: files left out: 2 .png, 2 .tif, 1 .txt, such as train/str")


@pytest.mark.parametrize(
    ("names", "remark"), [(("2", "10"), "order of their names as text: 10, 2"), (("1", "2"), "")]
)
def test_the_order_of_numbered_classes_is_said(
    tmp_path: Path, names: tuple[str, ...], remark: str
) -> None:
    for split in ("train", "test"):
        for name in names:
            save(tmp_path / "n" / split / name / "0.png", np.zeros((4, 4, 3), np.uint8))
    assert [remark in text for text in remarks_of(tmp_path / "n", tmp_path)] == [True] * bool(
        remark
    )


def test_a_class_without_test_images_is_said(folder: Path, tmp_path: Path) -> None:
    for file in (folder / "test" / "bee").iterdir():
        file.unlink()
    (said,) = remarks_of(folder, tmp_path)
    assert said.startswith(f"{folder}: no test image of class 'bee'; means over")


@pytest.mark.parametrize("size", [None, 4])
def test_photographs_stand_upright(tmp_path: Path, size: int | None) -> None:
    """A phone stores a picture as its sensor saw it, and says in EXIF how it was held."""
    seen = Image.fromarray(np.repeat(np.arange(0, 160, 40, dtype=np.uint8), 4).reshape(4, 4))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for split in ("train", "test"):
        folder = tmp_path / "phone" / split / "a"
        folder.mkdir(parents=True)
        seen.save(folder / "0.png", exif=exif)
        seen.save(folder / "1.png")
    data = open_prepared(prepare(tmp_path / "phone", tmp_path / "d", image_size=size))
    turned, plain = data.train_images[:, :, :, 0]
    assert plain[:, 0].tolist() == [0, 40, 80, 120]
    assert turned[0].tolist() == [120, 80, 40, 0]


def test_large_images_are_decoded_within_a_fixed_memory(tmp_path: Path) -> None:
    """24 of 1200 x 1200 pixels are 99 MiB; together they must never lie in memory."""
    for split, count in (("train", 24), ("test", 1)):
        for number in range(count):
            pixels = np.full((1200, 1200, 3), number, np.uint8)
            save(tmp_path / "large" / split / "a" / f"{number:02}.bmp", pixels)
    script = (
        "import sys; from trainers.data import prepare; import numpy, PIL.Image; "
        "peak = lambda: int(next(line for line in open('/proc/self/status')"
        " if 'VmHWM' in line).split()[1]) // 1024; "
        "before = peak(); prepare(sys.argv[1], sys.argv[2]); print(peak() - before)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "large"), str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 64  # MiB: a piece of 16, one image, and what decoding needs


def test_all_kinds_of_image_become_rgb(tmp_path: Path) -> None:
    grey = np.full((8, 8), 200, np.uint8)
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    palette = Image.fromarray(red).convert("P")
    root = tmp_path / "kinds"
    for name in ("train/a", "test/a"):
        (root / name).mkdir(parents=True)
    save(root / "test/a/0.png", red)
    save(root / "train/a/0.png", grey)
    save(root / "train/a/1.BMP", red)
    save(root / "train/a/2.JPG", np.full((8, 8, 3), 90, np.uint8))
    Image.fromarray(red).save(root / "train/a/3.webp", lossless=True)
    palette.save(root / "train/a/4.png", transparency=b"\x00" * 256)
    Image.fromarray(red).convert("RGBA").save(root / "train/a/5.png")
    save(root / "train/a/6.jpeg", grey)
    (root / "train/a/notes.txt").write_text("not an image")
    (root / "train/a/._0.png").write_text("not an image either")
    images = open_prepared(prepare(root, tmp_path)).train_images
    assert images.shape == (7, 8, 8, 3)
    colours = [image[4, 4].tolist() for image in images]
    assert colours == [
        [200, 200, 200],
        [255, 0, 0],
        [90, 90, 90],
        [255, 0, 0],
        [255, 0, 0],
        [255, 0, 0],
        [200, 200, 200],
    ]


@pytest.fixture
def tiny_imagenet(sorted_arrays: dict[str, Any], tmp_path: Path) -> Path:
    """Tiny-ImageNet's layout; its own test folder has no labels."""
    root = tmp_path / "tiny-imagenet"
    names = ("n03", "n01", "n02")
    for number, (pixels, label) in enumerate(
        zip(sorted_arrays["train_images"], sorted_arrays["train_labels"], strict=True)
    ):
        wnid = names[label]
        save(root / "train" / wnid / "images" / f"{wnid}_{number}.png", pixels)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("0\t0\t1\t1\n")
    for number, pixels in enumerate(sorted_arrays["test_images"]):
        save(root / "val" / "images" / f"val_{number}.png", pixels)
        save(root / "test" / "images" / f"test_{number}.png", pixels)
    (root / "val" / "val_annotations.txt").write_text(
        "val_2.png\tn02\t0\t0\t3\t3\nval_0.png\tn03\t0\t0\t3\t3\nval_1.png\tn01\t0\t0\t3\t3\n"
    )
    return root


def test_tiny_imagenet_takes_its_labels_from_the_annotations(
    tiny_imagenet: Path, sorted_arrays: dict[str, Any], tmp_path: Path
) -> None:
    data = open_prepared(prepare(tiny_imagenet, tmp_path))
    train = sorted_arrays["train_images"]
    assert data.classes == ("n01", "n02", "n03")
    assert data.train_labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(data.train_images, train[[2, 3, 4, 5, 0, 1]])
    assert data.test_labels.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(data.test_images, sorted_arrays["test_images"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val_0.png\tn03\nval_1.png\tn01\n", "image 'val_2.png' has no line"),
        ("val_0.png\tn03\nval_1.png\tn01\nval_2.png\tn01\nval_9.png\tn01", "'val_9.png' is not in"),
        ("val_0.png\tn03\nval_1.png\tn01\nval_2.png\tn99\n", "class 'n99' of 'val_2.png'"),
        ("val_0.png n03\n", "line 1 must be"),
        ("val_0.png\tn03\nval_0.png\tn01\n", "line 2 must be"),
    ],
)
def test_wrong_annotations_are_named(
    tiny_imagenet: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tiny_imagenet / "val" / "val_annotations.txt").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        prepare(tiny_imagenet, tmp_path)
    assert "val_annotations.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def _text(path: Path) -> None:
    path.write_text("no image")


def _truncated(path: Path) -> None:
    save(path, np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:60])


def _larger(path: Path) -> None:
    save(path, np.zeros((5, 5, 3), np.uint8))


def _sixteen_bits(path: Path) -> None:
    save(path, np.full((4, 4), 40_000, np.uint16))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_text, "not a readable image"),
        (_truncated, "not a readable image"),
        (Path.touch, "not a readable image"),
        (_larger, "all images must have one size, 4 x 4 pixels as the first, got 5 x 5"),
        (_sixteen_bits, "8 bits a channel, got mode I;16"),
    ],
)
@pytest.mark.parametrize("place", ["train/bee/new.png", "test/cow/new.png"])
def test_a_file_that_cannot_be_used_is_named(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str, place: str
) -> None:
    spoil(folder / place)
    with pytest.raises(DataError, match=message) as caught:
        prepare(folder, tmp_path / "data")
    assert str(folder / place) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "data" / "cache").glob("**/*.npy"))


def test_images_must_be_square(tmp_path: Path) -> None:
    for split in ("train", "test"):
        save(tmp_path / "wide" / split / "a" / "0.png", np.zeros((4, 6, 3), np.uint8))
    with pytest.raises(DataError, match=r"0\.png: images must be square, got 4 x 6"):
        prepare(tmp_path / "wide", tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ([], "no folder 'train' in it"),
        (["train/"], "no class folders in it"),
        (["train/0.png"], "no class folders in it"),
        (["train/a/"], r"train/a: no images in it"),
        (["train/a/0.gif"], r"train/a: no images in it"),
        (["train/a/0.png"], "no folder 'test' or 'val' in it"),
        (["train/a/0.png", "test/"], "test: no images in it"),
        (["train/a/0.png", "test/b/0.png"], "test/b: no class 'b' in train"),
        (["train/a/0.png", "val/a/", "val/0.png"], "val: no images in it"),
    ],
)
def test_a_wrong_layout_is_named(tmp_path: Path, make: list[str], message: str) -> None:
    root = tmp_path / "images"
    root.mkdir()
    for name in make:
        if name.endswith("/"):
            (root / name).mkdir(parents=True)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(b"")
    with pytest.raises(DataError, match=message) as caught:
        prepare(root, tmp_path / "data")
    assert "\n" not in str(caught.value)


def test_an_unchanged_folder_is_not_read_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib
    import time

    first = prepare(folder, tmp_path / "data")  # new files: too fresh to be remembered
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert prepare(folder, tmp_path / "data") == first
    monkeypatch.setattr(hashlib, "file_digest", None)  # reading would fail
    assert prepare(folder, tmp_path / "data") == first


def test_every_change_to_a_folder_makes_another_key(
    folder: Path, sorted_arrays: dict[str, Any], tmp_path: Path
) -> None:
    seen = [prepare(folder, tmp_path / "data")]

    def note() -> None:
        seen.append(prepare(folder, tmp_path / "data"))

    save(folder / "train" / "ant" / "new.png", sorted_arrays["train_images"][0])
    note()
    save(folder / "train" / "ant" / "new.png", sorted_arrays["train_images"][1])
    note()
    os.rename(folder / "train" / "ant" / "new.png", folder / "train" / "bee" / "new.png")
    note()
    os.rename(folder / "train" / "cow", folder / "train" / "dog")
    os.rename(folder / "test" / "cow", folder / "test" / "dog")
    note()
    assert len(set(seen)) == 5
    for prepared in seen:
        verify_prepared(prepared)
    assert open_prepared(seen[-1]).classes == ("ant", "bee", "dog")


def test_the_same_path_written_differently_is_the_same_source(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(folder, tmp_path / "data")
    monkeypatch.chdir(folder)
    assert prepare(".", tmp_path / "data") == first
    assert prepare(f"{folder}/", tmp_path / "data") == first
