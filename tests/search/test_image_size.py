"""A folder of images of mixed sizes: searched at one size, which the record keeps for a replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from search import replay
from search.record.record import read_record

FIXED = "depth=10 width=1 batch_size=16 optimizer=sgd dropout=0 lr=0.1 weight_decay=0.0005 rho=0.05"


def test_searched_and_replayed(tmp_path: Path, in_process: Any, capsys: Any) -> None:
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("test", 4)):
        for label in range(2):
            folder = tmp_path / "photos" / split / f"class{label}"
            folder.mkdir(parents=True)
            for i in range(count):
                height, width = random.integers(6, 14, 2)
                shape = (height, width, 3) if i % 2 else (height, width)
                pixels = random.integers(0, 256, shape, np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    fixed = [part for setting in FIXED.split() for part in ("--set", setting)]
    flags = ["--space", "wrn_sam", "--preset", "quick", "--dataset", str(tmp_path / "photos")]
    flags += ["--image-size", "8", "--epochs", "1", "--n-trials", "1", "--study-name", "s", *fixed]
    flags += ["--data-dir", str(tmp_path / "d"), "--results-dir", str(tmp_path / "r")]
    study = in_process(*flags, "--threads", "1", "--precision", "float32")
    record = read_record(study)
    assert record is not None
    assert record.data.image_size == 8
    assert list(record.data.shapes["train_images"]) == [40, 8, 8, 3]
    assert (
        replay.main(["--study-name", "s", "--trial", "0", "--results-dir", str(tmp_path / "r")])
        == 0
    )
    assert "trial 0: the same bit for bit" in capsys.readouterr().out
