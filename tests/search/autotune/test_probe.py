"""What a probe's timings come to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search.autotune import probe as module
from trainers.config import TrainConfig
from trainers.execution import Execution

LARGE: Any = SimpleNamespace(shapes={"train_images": (50_000, 32, 32, 3)})


def timing(threads: int, speed: float, precision: str = "bfloat16") -> dict[str, Any]:
    execution = Execution(threads=threads, precision=precision).to_dict()
    return {"execution": execution, "at_once": 2 // threads, "speed": speed}


@pytest.mark.parametrize(
    ("speeds", "threads"), [((100.0, 109.0), 1), ((100.0, 111.0), 2), ((100.0, 90.0), 1)]
)
def test_more_threads_a_trial_must_be_clearly_worth_it(
    speeds: tuple[float, float], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [timing(1, speeds[0]), timing(2, speeds[1]), timing(1, 50.0, "float32")]
    found.sort(key=lambda item: -item["speed"])
    asked: list[int] = []

    def measure(config: Any, counts: Any, data: Path) -> list[dict[str, Any]]:
        asked.append(1)
        return found

    monkeypatch.setattr(module, "_measure", measure)
    monkeypatch.setattr("search.autotune.machine.cpu_count", lambda: 2)
    for _ in range(2):
        best = module.probe(TrainConfig(), None, LARGE, tmp_path, tmp_path, lambda text: None)
        assert best.execution == Execution(threads=threads, precision="bfloat16")
        assert best.at_once == 2 // threads
    assert asked == [1], "the second time, the finding is known"
