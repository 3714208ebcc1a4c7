"""How fast settings train on this machine, timed in processes of their own, and kept."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.autotune.child_processes import run_module
from trainers.atomic_files import write_atomically
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.execution import Execution

Speed = tuple[float | None, str]  # images a second of one process, or why there are none


@dataclass(frozen=True)
class Workload:
    """What is timed: the baseline's ``config`` on prepared data. ``cache`` is the folder in which
    what was found is kept."""

    config: TrainConfig
    data: Meta
    data_folder: Path
    cache: Path


def time_trainings(
    configs: Sequence[TrainConfig],
    executions: Sequence[Execution],
    count: int,
    data_folder: Path,
    seconds: float,
    instead: str,
    exactly: bool = False,
) -> list[list[Speed]]:
    """Return, for each of ``configs`` in each of ``executions``, the speeds of ``count`` processes
    that train it side by side for some ``seconds``; ``exactly`` as in ``trainers.timing``. Raises
    ``UserError`` where a process fails; ``instead`` is the flag that does without."""
    with tempfile.TemporaryDirectory(prefix="sharpsearch-timing-") as folder:
        task = {
            "configs": [config.to_dict() for config in configs],
            "executions": [execution.to_dict() for execution in executions],
            "count": count,
            "data": str(data_folder.resolve()),
            "meeting": folder,
            "seconds": seconds,
            "exactly": exactly,
        }
        arguments = ["trainers.timing", json.dumps(task)]
        printed = run_module(arguments, count, "timing of trainings", instead)
    of_processes = [[(speed, reason) for speed, reason in json.loads(text)] for text in printed]
    return [list(speeds) for speeds in zip(*of_processes, strict=True)]


def remembered(
    folder: Path, facts: Any, measure: Callable[[], Any], seconds: float = math.inf
) -> Any:
    """Return the result of ``measure``, a JSON value. It is cached in ``folder`` and not measured
    again for the same ``facts`` for so many ``seconds``."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{digest}.json"
    with suppress(OSError, ValueError):
        if time.time() - path.stat().st_mtime <= seconds:
            return json.loads(path.read_text())
    found = measure()
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found).encode())
    return found
