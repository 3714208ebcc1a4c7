"""The examples of training functions: the driver is killed ten times, and the study is the same."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

POINTS = (
    "trial owned:1",  # first: the check of the loop, which has passed by then, trains elsewhere
    "epoch trained:1",
    "checkpoint rotated:2",
    "file half written:1",
    "checkpoint kept:1",
    "history written:1",
    "epoch reported:2",
)
KILLS = 10


@pytest.mark.slow
@pytest.mark.parametrize("work", ["own loop in NumPy", "own loop in torch"])
def test_killed_ten_times(
    run: Any, snapshot: Any, undisturbed: Any, tmp_path: Path, work: str
) -> None:
    for point in islice(cycle(POINTS), KILLS):
        assert run(tmp_path, work, point), f"{point} was never passed"
        (tmp_path / "killed").unlink()
    assert not run(tmp_path, work)
    assert snapshot(tmp_path) == undisturbed(work)
