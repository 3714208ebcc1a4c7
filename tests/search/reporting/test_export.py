"""Tables as files come back as they went, and texts stay texts."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from search.reporting.export import write_tables
from search.reporting.study_data import read_study
from tests.search.reporting import studies


@pytest.fixture
def frames(tmp_path: Path) -> dict[str, pd.DataFrame]:
    study = studies.our_study()
    study.add_trials([studies.trial(0, [1.0, 2.0]), studies.trial(1, [3.0], reason="=1+1")])
    data = read_study(study, tmp_path)
    return data.tables


def test_parquet_keeps_values_and_types(frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    paths = write_tables(frames, tmp_path, "parquet")
    for path, frame in zip(paths, frames.values(), strict=True):
        pd.testing.assert_frame_equal(pd.read_parquet(path), frame)


def test_csv_has_the_columns_that_were_measured(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    write_tables(frames, tmp_path, "csv")
    table = pd.read_csv(tmp_path / "trials.csv")
    assert list(table.columns) == list(frames["trials"].columns)
    assert table["val_top1"].tolist() == [2.0, 3.0]
    assert "gpu_power_w" not in table  # nobody measured it
    assert table["best_epoch"].tolist() == [2, 1]


def test_excel_has_a_sheet_for_each_and_one_for_the_columns(
    frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    (path,) = write_tables(frames, tmp_path, "xlsx")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["trials", "epochs", "columns"]
    headings = [cell.value for cell in book["trials"][1]]
    cell = book["trials"][3][headings.index("reason")]
    assert (cell.value, cell.data_type) == ("=1+1", "s")  # no formula
    assert len(list(book["columns"].rows)) > 40
