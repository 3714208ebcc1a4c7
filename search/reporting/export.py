"""Writes reports of studies: tables as CSV, Parquet and Excel, Markdown, and a page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from xlsxwriter import Workbook

from search.common.errors import UserError, one_line
from search.common.layout import safe_name
from search.reporting import FORMATS
from search.reporting.blocks import Section
from search.reporting.columns import EPOCH_COLUMNS, TRIAL_COLUMNS
from search.reporting.compare import compare_sections, comparison_frames
from search.reporting.format import missing
from search.reporting.markdown import to_markdown
from search.reporting.page import make_page
from search.reporting.sections import sections_of
from search.reporting.sections.trials import trial_details
from search.reporting.study_data import StudyData, read_study
from search.storage.storage import load_study

Frames = Mapping[str, pd.DataFrame]
_EXCEL_ROWS = 1_048_575  # without the heading
_EXCEL = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "constant_memory": True,
    "default_date_format": "yyyy-mm-dd hh:mm:ss",
}


def parse_formats(text: str) -> tuple[str, ...]:
    """Return ``("csv", "html")`` for ``"csv,html"``. Raises ``UserError`` for others."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in FORMATS:
            raise UserError(f"--format takes {', '.join(FORMATS)}, got {name!r}")
    if not names:
        raise UserError(f"--format must name at least one of {', '.join(FORMATS)}")
    return names


def write_study(data: StudyData, out: Path | None, formats: Sequence[str]) -> list[Path]:
    """Write the report of one study, into ``out`` or its own folder, and return its files."""
    if data.record is not None and data.record.reevaluates:
        raise UserError(
            f"study {data.name!r} is the re-evaluation of {data.record.reevaluates!r}; "
            f"its verdict is in the report of --study-name {data.record.reevaluates}"
        )
    sections = sections_of(data) if {"md", "html"} & set(formats) else []
    details = trial_details(data) if "html" in formats else None
    folder = out or data.folder.report
    return write(data.name, subtitle(data), data.tables, sections, folder, formats, details)


def report_comparison(
    names: Sequence[str],
    storage: str,
    results_dir: Path,
    out: Path | None,
    formats: Sequence[str],
    accuracy: float | None = None,
) -> list[Path]:
    """Write several studies side by side; ``accuracy`` as in ``compare_sections``."""
    studies = [
        read_study(load_study(name, storage), results_dir, storage) for name in dict.fromkeys(names)
    ]
    if len(studies) < 2:
        raise UserError(f"--compare needs at least two studies, got {', '.join(names)}")
    for data in studies:
        if data.record is not None and data.record.reevaluates:
            raise UserError(
                f"study {data.name!r} is the re-evaluation of {data.record.reevaluates!r}; "
                f"compare {data.record.reevaluates!r} instead: its verdict has these seeds"
            )
    folder = out or results_dir / "compare" / safe_name("_".join(data.name for data in studies))
    title = " · ".join(data.name for data in studies)
    sections = compare_sections(studies, accuracy)
    words = f"{len(studies)} studies side by side"
    return write(title, words, comparison_frames(studies), sections, folder, formats)


def subtitle(data: StudyData) -> str:
    """Return what was searched, how, and whether it still runs."""
    record, parts = data.record, []
    if record is not None:
        strategy = record.strategy
        parts = [
            record.space.title,
            f"{record.space.preset} preset" if record.space.preset else "",
            "" if record.data.name in record.space.title else f"on {record.data.name}",
            f"sampler {strategy.sampler}, pruner {strategy.pruner}",
        ]
    parts.append("still running" if data.is_running else "")
    return " · ".join(part for part in parts if part)


def write(
    title: str,
    words: str,
    frames: Frames,
    sections: Sequence[Section],
    folder: Path,
    formats: Sequence[str],
    details: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write the files in ``formats`` into ``folder``. Raises ``UserError`` where it cannot."""
    paths: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind in formats:
            if kind == "md":
                paths.append(folder / "report.md")
                paths[-1].write_text(to_markdown(title, words, sections), encoding="utf-8")
            elif kind == "html":
                paths.append(folder / "index.html")
                paths[-1].write_text(make_page(title, words, sections, details), encoding="utf-8")
            else:
                paths += write_tables(frames, folder, kind)
    except OSError as error:
        raise UserError(
            f"cannot write to {str(folder)!r}: {one_line(error)}; choose another with --out"
        ) from None
    return paths


def write_tables(frames: Frames, folder: Path, kind: str) -> list[Path]:
    """Write a file for each table, or ``study.xlsx`` with a sheet for each; what is missing is
    empty."""
    if kind == "xlsx":
        return [_write_excel(frames, folder / "study.xlsx")]
    paths = []
    for name, frame in frames.items():
        paths.append(folder / f"{name}.{kind}")
        (frame.to_csv if kind == "csv" else frame.to_parquet)(paths[-1], index=False)
    return paths


def _write_excel(frames: Frames, path: Path) -> Path:
    """Write a sheet for each table and one that says what the columns are. Texts stay texts: a
    name that begins with ``=`` is no formula."""
    with Workbook(str(path), _EXCEL) as book:
        for name, frame in {**frames, "columns": _meanings()}.items():
            sheet = book.add_worksheet(name)
            sheet.freeze_panes(1, 1)
            sheet.write_row(0, 0, list(frame.columns))
            for i, row in enumerate(_plain_rows(frame.head(_EXCEL_ROWS)), start=1):
                sheet.write_row(i, 0, row)
    return path


def _plain_rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield rows of plain values; what is missing or not finite is None, an empty cell."""
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
