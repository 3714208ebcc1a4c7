"""A run's epochs as a table: ``history.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from trainers.atomic_files import write_atomically
from trainers.epoch_result import EpochResult

HISTORY = "history.csv"


def write_history(folder: Path, history: Sequence[EpochResult]) -> None:
    """Write one row per epoch."""
    names = [item.name for item in fields(EpochResult)]
    write_rows(folder, names, [result.to_dict() for result in history])


def write_rows(folder: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the whole file every time: a worker of a dead driver, still at work for a moment, adds
    nothing twice. A figure that a row has not is "nan"."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="nan")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / HISTORY, text.getvalue().encode())


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of ``history.csv`` as numbers; empty when there is none. A line that is not
    whole (a copy, or another program at work) does not count."""
    path = folder / HISTORY
    if not path.exists():
        return []
    with open(path, newline="") as file:
        whole = [line for line in file if line.endswith("\n")]
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(whole)]
