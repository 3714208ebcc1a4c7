"""Whatever is done to a file, it is prepared or refused in one line."""

from __future__ import annotations

import io
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fuzzing import fuzzed
from trainers.data import DataError, open_prepared, prepare

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
Damage = list[tuple[float, int]]


def image(kind: str) -> bytes:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(file, kind, exif=exif)
    return file.getvalue()


def arrays() -> bytes:
    file = io.BytesIO()
    labels = np.array([0, 1, 0, 1])
    images = np.stack([PIXELS] * 4)
    np.savez(file, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    return file.getvalue()


CONTENTS = {"0.npz": arrays(), **{f"0.{kind}": image(kind) for kind in ("png", "jpeg", "webp")}}


def damaged(content: bytes, changes: Damage, cut: float) -> bytes:
    """Some bytes are others, and the end is missing."""
    found = bytearray(content)
    for place, value in changes:
        found[int(place * len(found))] = value
    return bytes(found[: int(cut * len(found)) + 1])


SHARE = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("name", CONTENTS)
@fuzzed(40)
@given(
    changes=st.lists(st.tuples(SHARE, st.integers(0, 255)), max_size=8),
    cut=st.one_of(st.just(0.999999), SHARE),
)
def test_a_damaged_file_is_prepared_or_refused(name: str, changes: Damage, cut: float) -> None:
    content = damaged(CONTENTS[name], changes, cut)
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow says what it makes of damaged EXIF
        root = Path(scratch)
        for split in ("train", "test"):
            (root / "set" / split / "a").mkdir(parents=True)
            (root / "set" / split / "a" / name).write_bytes(content)
        source = root / "set" if not name.endswith("npz") else root / "set" / "train" / "a" / name
        said, shape = "", (8, 8, 3)
        try:
            shape = tuple(open_prepared(prepare(source, root / "data")).train_images.shape[1:])
        except DataError as error:
            said = str(error)
        assert "\n" not in said
        assert shape == (8, 8, 3)
