"""Data sets in one .npz file, right and wrong."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainers.data import DataError, open_prepared, prepare

IMAGES = np.zeros((6, 4, 4, 3), np.uint8)
MADE_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"train_labels": None}, "no array 'train_labels'"),
    ({"test_images": None}, "no array 'test_images'"),
    ({"train_images": IMAGES / 255}, "train_images must be uint8, got float64"),
    ({"train_images": IMAGES.astype(np.int64)}, "train_images must be uint8, got int64"),
    ({"train_images": IMAGES[..., :2]}, r"train_images must have shape .*got \(6, 4, 4, 2\)"),
    ({"train_images": IMAGES[0, 0]}, r"train_images must have shape .*got \(4, 3\)"),
    ({"train_images": IMAGES[:, :, :3]}, "train_images: images must be square, got 4 x 3"),
    ({"train_images": IMAGES[:0]}, r"train_images must hold at least one image"),
    ({"test_images": IMAGES[:0]}, r"test_images must hold at least one image"),
    ({"test_images": IMAGES[:3, :2, :2]}, r"test_images must have the image shape .*\(2, 2, 3\)"),
    ({"train_labels": np.zeros(5, int)}, r"train_labels must have shape \(6,\).*got \(5,\)"),
    ({"test_labels": np.zeros((3, 1), int)}, r"test_labels must have shape \(3,\).*\(3, 1\)"),
    ({"train_labels": np.zeros(6)}, "train_labels must be whole numbers, got float64"),
    ({"train_labels": np.zeros(6, bool)}, "train_labels must be whole numbers, got bool"),
    ({"train_labels": np.array([0, 1, 3, 0, 0, 0])}, r"train_labels must be in \[0, 2\], got 3"),
    ({"test_labels": np.array([0, -1, 0])}, r"test_labels must be in \[0, 2\], got -1"),
    ({"test_labels": np.array([0, -1, 0]), "classes": None}, r"in \[0, 5\], got -1"),
    ({"train_labels": np.array([0, 1, 2, 0, 0, 10**9]), "classes": None}, "got 1000000000"),
    ({"test_labels": np.array([0, 10**9, 0]), "classes": None}, r"in \[0, 5\], got 1000000000"),
    ({"classes": np.array(list("abcdefg"))}, "classes must be at most 6, .* got 7"),
    (
        {"train_labels": np.full(6, 2**64 - 1, np.uint64)},
        r"train_labels must be in \[0, 2\], got 18446744073709551615",
    ),
    ({"classes": np.arange(3)}, "classes must be text"),
    ({"classes": np.array("abc")}, r"classes must be text of shape \(K,\)"),
    ({"classes": np.array(["a", "b", "a"])}, "classes must differ"),
    ({"classes": np.array(["a", None, "b"], object)}, "Object arrays cannot be loaded"),
]


@pytest.mark.parametrize(("changed", "message"), MADE_WRONG)
def test_a_wrong_array_is_named_with_its_rule(
    tiny_arrays: dict[str, Any], tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    path = tmp_path / "wrong.npz"
    arrays = {key: value for key, value in (tiny_arrays | changed).items() if value is not None}
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        prepare(path, tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_must_have_training_images(tiny_arrays: dict[str, Any], tmp_path: Path) -> None:
    path, remarks = tmp_path / "few.npz", list[str]()
    tiny_arrays["train_labels"] = np.array([0, 1, 0, 1, 0, 0])
    np.savez(path, **tiny_arrays)
    with pytest.raises(DataError, match=r"few\.npz: the test images have class 'cow', of which"):
        prepare(path, tmp_path)
    np.savez(path, **tiny_arrays | {"test_labels": np.array([1, 0, 1])})
    prepare(path, tmp_path, remark=remarks.append)
    assert [text.partition("; ")[0] for text in remarks] == [
        f"{path}: no training image of class 'cow'"
    ]


@pytest.mark.parametrize("size", [0, 1, 100, 1000, -1, -30])
def test_a_truncated_file_is_refused(tiny_npz: Path, tmp_path: Path, size: int) -> None:
    tiny_npz.write_bytes(tiny_npz.read_bytes()[:size])
    with pytest.raises(DataError, match=r"tiny\.npz: not a valid \.npz file"):
        prepare(tiny_npz, tmp_path)


def test_a_flipped_bit_is_noticed(tiny_npz: Path, tmp_path: Path) -> None:
    content = bytearray(tiny_npz.read_bytes())
    content[content.index(b"\x93NUMPY") + 200] ^= 1  # in the pixels
    tiny_npz.write_bytes(content)
    with pytest.raises(DataError, match=r"tiny\.npz: not a valid \.npz file"):
        prepare(tiny_npz, tmp_path)


@pytest.mark.parametrize("content", [b"hello", b"\x93NUMPY\x01\x00"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"notes\.npz: not a valid \.npz file"):
        prepare(path, tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999, 4, 4, 3)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-6, -4, 4, 3)}",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (99999999999999,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 4",
        "__import__('os').abort()",
    ],
)
def test_a_header_that_lies_is_refused_before_anything_is_allocated(
    tiny_npz: Path, tmp_path: Path, header: str
) -> None:
    text = header.ljust(117).encode() + b"\n"
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(288)
    with np.load(tiny_npz) as arrays, zipfile.ZipFile(tmp_path / "lie.npz", "w") as file:
        for name in arrays:
            content = io.BytesIO()
            np.save(content, arrays[name])
            whole = member if name == "train_images" else content.getvalue()
            file.writestr(f"{name}.npy", whole)
    with pytest.raises(DataError, match=r"lie\.npz: ") as caught:
        prepare(tmp_path / "lie.npz", tmp_path)
    assert "\n" not in str(caught.value)


def test_without_a_channel_axis_images_are_grey(
    tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    for split in ("train", "test"):
        tiny_arrays[f"{split}_images"] = tiny_arrays[f"{split}_images"][..., 0]
    np.savez(tmp_path / "grey.npz", **tiny_arrays)
    data = open_prepared(prepare(tmp_path / "grey.npz", tmp_path))
    assert data.in_channels == 1
    assert data.train_images.shape == (6, 4, 4, 1)
    np.testing.assert_array_equal(data.train_images[..., 0], tiny_arrays["train_images"])
    assert len(data.mean) == len(data.std) == 1


def test_without_classes_they_are_counted_from_the_labels(
    tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    del tiny_arrays["classes"]
    tiny_arrays["train_labels"] = np.array([0, 1, 0, 3, 0, 1])
    tiny_arrays["test_labels"] = np.array([3, 0, 1], np.uint8)
    np.savez_compressed(tmp_path / "bare.npz", **tiny_arrays)
    data = open_prepared(prepare(tmp_path / "bare.npz", tmp_path))
    assert data.classes == ("0", "1", "2", "3")
    assert data.test_labels.tolist() == [3, 0, 1]


def test_order_in_memory_and_foreign_arrays_do_not_matter(
    tiny_npz: Path, tiny_arrays: dict[str, Any], tmp_path: Path
) -> None:
    expected = open_prepared(prepare(tiny_npz, tmp_path)).fingerprint
    tiny_arrays["train_images"] = np.asfortranarray(tiny_arrays["train_images"])
    tiny_arrays["train_labels"] = tiny_arrays["train_labels"].astype(">i2")
    tiny_arrays["remark"] = np.array([None, "ignored"], object)
    np.savez(tmp_path / "odd.npz", **tiny_arrays)
    assert open_prepared(prepare(tmp_path / "odd.npz", tmp_path)).fingerprint == expected
