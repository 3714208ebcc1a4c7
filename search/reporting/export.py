"""Tables as files: CSV, Parquet, Excel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from search.reporting.columns import EPOCH_COLUMNS, TRIAL_COLUMNS

Frames = Mapping[str, pd.DataFrame]
_EXCEL_ROWS = 1_048_575  # without the heading
_AS_IS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


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
    with pd.ExcelWriter(path, engine="xlsxwriter", engine_kwargs={"options": _AS_IS}) as writer:
        for name, frame in frames.items():
            frame.head(_EXCEL_ROWS).to_excel(writer, sheet_name=name, index=False)
        _meanings().to_excel(writer, sheet_name="columns", index=False)
        for sheet in writer.sheets.values():
            sheet.freeze_panes(1, 1)
    return [path]


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
