"""The trials' ``history.csv`` files, read many at a time."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pandas as pd

from search.common.layout import StudyFolder


def read_histories(folder: StudyFolder, numbers: Iterable[int]) -> pd.DataFrame:
    """All rows of all histories that exist, with a column ``number``; one parse for all files.

    A row that a crash tore, or that is no row of numbers, is left out. An epoch written twice
    counts as its last.
    """
    bodies: dict[str, list[str]] = {}
    for number in numbers:
        header, rows = _lines(folder, number)
        if header:
            bodies.setdefault(header, []).extend(f"{number},{row}" for row in rows)
    tables = [_parse(header, rows) for header, rows in bodies.items() if rows]
    if not tables:
        return pd.DataFrame({"number": [], "epoch": []}, dtype="int64")
    whole = pd.concat(tables, ignore_index=True).dropna(subset=["epoch"])
    whole = whole.astype({"number": "int64", "epoch": "int64"})
    return whole.drop_duplicates(["number", "epoch"], keep="last")


def _lines(folder: StudyFolder, number: int) -> tuple[str, list[str]]:
    """Header and whole rows of one history; an empty header when there is none."""
    try:
        text = folder.history(number).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", []
    header, *rows = text.splitlines() or [""]
    if "epoch" not in header.split(","):
        return "", []
    torn = not text.endswith("\n")
    commas = header.count(",")
    return header, [row for row in (rows[:-1] if torn else rows) if row.count(",") == commas]


def _parse(header: str, rows: list[str]) -> pd.DataFrame:
    text = io.StringIO("\n".join([f"number,{header}", *rows]))
    table = pd.read_csv(text, low_memory=False)
    return table.apply(pd.to_numeric, errors="coerce")
