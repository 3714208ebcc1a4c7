"""Several studies side by side."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from search.record.record import StrategyFacts
from search.reporting.blocks import Table
from search.reporting.chart import Chart, Panel
from search.reporting.compare import compare_sections, comparison_frames
from search.reporting.study_data import StudyData, read_study


@pytest.fixture
def both(studies: ModuleType, tmp_path: Path) -> list[StudyData]:
    first = studies.usual_study(tmp_path, "one")
    second = studies.our_study("two", strategy=StrategyFacts("random", "none", 1))
    second.add_trials([studies.trial(0, [10.0, 20.0]), studies.trial(1, [15.0, 30.0], lr=0.3)])
    return [read_study(study, tmp_path) for study in (first, second)]


def tables(studies: list[StudyData]) -> dict[str, Table]:
    blocks = [block for section in compare_sections(studies) for block in section.blocks]
    return {block.title: block for block in blocks if isinstance(block, Table)}


def test_each_study_has_its_row(both: list[StudyData]) -> None:
    table = tables(both)["Searches"]
    rows = [dict(zip(table.headings, row.cells, strict=True)) for row in table.rows]
    assert [row["study"] for row in rows] == ["one", "two"]
    assert [row["sampler"] for row in rows] == ["tpe", "random"]
    assert [row["trials"] for row in rows] == ["6", "2"]
    assert [row["epochs trained"] for row in rows] == ["16", "4"]


def test_best_and_recipe_of_each(both: list[StudyData]) -> None:
    table = tables(both)["Best, recipe and reference"]
    shown = [row.cells[:3] for row in table.rows if row.cells[1] != "reference"]
    assert shown == [
        ("one", "best, trial 2", "82.00"),
        ("one", "recipe, trial 0", "70.00"),
        ("two", "best, trial 1", "30.00"),
        ("two", "recipe, trial 0", "20.00"),
    ]


def test_progress_against_epochs_spent(both: list[StudyData]) -> None:
    charts = [b for s in compare_sections(both) for b in s.blocks if isinstance(b, Chart)]
    panel = charts[0].panels[0]
    assert isinstance(panel, Panel)
    one, two = panel.series
    # trials end in order: 4, 6, 10, 12, 12 and 16 epochs; 70 first, 82 with the third
    assert list(one.x) == [4, 6, 10, 12, 12, 16]
    assert list(one.y) == [70, 70, 82, 82, 82, 82]
    assert (list(two.x), list(two.y)) == ([2, 4], [20, 30])


def test_a_copy_of_another_trial_spent_nothing(studies: ModuleType, tmp_path: Path) -> None:
    study = studies.our_study("three")
    study.add_trials([studies.trial(0, [10.0, 20.0]), studies.trial(1, [15.0, 30.0], lr=0.3)])
    study.add_trial(studies.trial(2, [15.0, 30.0], reason="copy of trial 1: completed", lr=0.3))
    (section,) = [s for s in compare_sections([read_study(study, tmp_path)]) if s.key == "progress"]
    (progress,) = section.blocks
    assert isinstance(progress, Chart)
    by_epoch, by_seconds = progress.panels
    assert isinstance(by_epoch, Panel)
    assert isinstance(by_seconds, Panel)
    assert list(by_epoch.series[0].x) == [2, 4, 4]
    assert list(by_seconds.series[0].x) == [2, 5, 5]  # CPU seconds: an epoch 1, the number more


def test_settings_of_the_best_with_what_differs(both: list[StudyData]) -> None:
    table = tables(both)["Best trial of each study"]
    rows = {row.cells[0]: (row.cells[1:], row.mark) for row in table.rows}
    assert rows["lr"] == (("0.2", "0.3"), "differs")
    assert table.headings == ("parameter", "one", "two")


def test_frames_carry_the_studys_name(both: list[StudyData]) -> None:
    frames = comparison_frames(both)
    assert frames["trials"]["study"].tolist() == ["one"] * 6 + ["two"] * 2
    assert list(frames["epochs"].columns[:2]) == ["study", "number"]
