"""Tables as files: CSV, Parquet, Excel."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from xlsxwriter import Workbook

from search.reporting.columns import EPOCH_COLUMNS, TRIAL_COLUMNS
from search.reporting.format import missing

Frames = Mapping[str, pd.DataFrame]
_EXCEL_ROWS = 1_048_575  # without the heading
_EXCEL = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "constant_memory": True,
    "default_date_format": "yyyy-mm-dd hh:mm:ss",
}


def write_csv(frames: Frames, folder: Path) -> list[Path]:
    """``trials.csv`` and ``epochs.csv``; what is missing is empty."""
    paths = []
    for name, frame in frames.items():
        paths.append(folder / f"{name}.csv")
        frame.to_csv(paths[-1], index=False)
    return paths


def write_parquet(frames: Frames, folder: Path) -> list[Path]:
    """``trials.parquet`` and ``epochs.parquet``, with the columns' types."""
    paths = []
    for name, frame in frames.items():
        paths.append(folder / f"{name}.parquet")
        frame.to_parquet(paths[-1], index=False)
    return paths


def write_excel(frames: Frames, folder: Path) -> list[Path]:
    """``study.xlsx``: a sheet for each table and one that says what the columns are.

    Texts stay texts: a name that begins with ``=`` is no formula.
    """
    path = folder / "study.xlsx"
    with Workbook(str(path), _EXCEL) as book:
        for name, frame in {**frames, "columns": _meanings()}.items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 1)
            sheet.write_row(0, 0, list(frame.columns))
            for i, row in enumerate(_plain_rows(frame.head(_EXCEL_ROWS)), start=1):
                sheet.write_row(i, 0, row)
    return [path]


def _plain_rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Rows of plain values; what is missing or not finite is None, an empty cell."""
    columns = []
    for name in frame.columns:
        column = frame[name]
        values = column.dt.to_pydatetime() if column.dtype.kind == "M" else column.tolist()
        columns.append([None if _is_empty(value) else value for value in values])
    return zip(*columns, strict=True)


def _is_empty(value: Any) -> bool:
    return value is pd.NaT or missing(value) or (isinstance(value, float) and math.isinf(value))


def _meanings() -> pd.DataFrame:
    rows = [
        (table, column.name, column.dtype, column.meaning)
        for table, columns in (("trials", TRIAL_COLUMNS), ("epochs", EPOCH_COLUMNS))
        for column in columns
    ]
    return pd.DataFrame(rows, columns=["table", "column", "type", "meaning"])


TABLE_FORMATS: Mapping[str, Callable[[Frames, Path], list[Path]]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "xlsx": write_excel,
}
