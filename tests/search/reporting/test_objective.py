"""Everything in a report follows the study's objective, and says how certain it is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.reporting.blocks import Chart, Table
from search.reporting.compare import compare_sections
from search.reporting.comparison import results_table
from search.reporting.page import make_page
from search.reporting.sections import sections_of
from search.reporting.sections.breakdowns import values_table
from search.reporting.sections.cost import cost_chart, cost_table
from search.reporting.sections.diagnostics import rung_table
from search.reporting.sections.overview import search_best, tiles
from search.reporting.sections.trials import trials_table
from search.reporting.study_data import StudyData, read_study
from tests.search.reporting import studies


@pytest.fixture
def losses(tmp_path: Path) -> StudyData:
    """A study that minimises: 0.9 for the baseline, 0.4 for trial 2; trial 1 is cut at 1.5."""
    study = studies.our_study(objectives=("val_loss",))
    trials = [
        studies.trial(0, [2.0, 1.0, 0.9, 1.1]),
        studies.trial(1, [2.2, 1.5], TrialState.PRUNED, width=1),
        studies.trial(2, [1.8, 0.8, 0.5, 0.4], lr=0.2, width=3),
        studies.trial(3, [1.9, 0.9, 0.7, 0.6], width=4),
    ]
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            trial.values = [min(trial.intermediate_values.values())]
    study.add_trials(trials)
    return read_study(study, tmp_path)


def column(table: Table | None, heading: str) -> list[str]:
    assert table is not None
    return [row.cells[table.headings.index(heading)] for row in table.rows]


def test_the_lowest_loss_is_the_best(losses: StudyData) -> None:
    assert losses.best is not None
    assert losses.best.number == 2
    assert [t.number for t in losses.ranked] == [2, 3, 0]
    assert losses.trials["best_value"].tolist() == [0.9, 1.5, 0.4, 0.6]
    assert losses.trials["best_epoch"].tolist() == [3, 2, 4, 4]
    assert losses.trials["val_loss"].tolist() == [0.9, 1.5, 0.4, 0.6]
    assert losses.trials["val_top1"].isna().all()  # from the histories, of which there are none
    assert losses.epochs["value"].tolist() == losses.epochs["val_loss"].tolist()


def test_tables_rank_and_name_the_objective(losses: StudyData) -> None:
    # of the trials that completed, then of the one that was cut
    ranked = ["–", "0.4000", "0.6000", "0.9000", "1.5000"]
    assert column(trials_table(losses), "validation loss") == ranked
    assert column(rung_table(losses), "best at rung") == ["0.8000"]
    assert column(rung_table(losses), "best that was pruned") == ["1.5000"]
    widths = column(values_table(losses), "best validation loss")[-4:]
    assert widths == ["1.5000", "0.9000", "0.4000", "0.6000"]
    assert column(results_table(losses), "difference")[0] == "−0.5000"
    assert ("best validation loss", "0.4000", "trial 2, one run") in tiles(losses).items
    assert "−0.5000 of validation loss vs. baseline" in search_best(losses)


def test_figures_have_the_objective_at_their_axes(losses: StudyData) -> None:
    cost = cost_chart(losses)
    assert cost is not None
    assert cost.figures[0].layout.yaxis.title.text == "validation loss"
    assert column(cost_table(losses), "validation loss") == ["0.9000", "0.4000"]  # 4 s, 6 s
    page = make_page("losses", "", sections_of(losses))
    assert "validation loss vs. time" in page.lower()


def test_a_comparison_of_losses_counts_downwards(losses: StudyData) -> None:
    other = replace(losses, name="other")
    sections = compare_sections([losses, other])
    table = sections[0].blocks[0]
    assert isinstance(table, Table)
    cells = {row.cells[0]: row.cells[1] for row in table.rows}
    assert cells["best: validation loss"] == "0.4000"
    assert cells["baseline: validation loss"] == "0.9000"
    (chart,) = (block for s in sections for block in s.blocks if isinstance(block, Chart))
    assert list(chart.figures[0].data[0].y) == [0.9, 0.9, 0.4, 0.4]


def test_a_gain_comes_with_images_interval_and_ties(tmp_path: Path) -> None:
    """Wilson's intervals of 16 and of 14 of 18 are 67.20 to 96.90 and 54.79 to 91.00 %: √(22.80² +
    11.00²) is 25.31 below, √(6.90² + 25.21²) is 26.14 above, by hand."""
    study = studies.our_study()  # 90 training images, a fifth of them for validation
    best = [90.0, 90.0, 50.0, 90.0]
    study.add_trials([studies.trial(0, [80.0])])
    study.add_trials([studies.trial(i, [v], lr=0.01 * i) for i, v in enumerate(best, start=1)])
    words = search_best(read_study(study, tmp_path))
    assert words == (
        "Trial 1 is the best of 5 completed trials: +10.00 points of validation top-1 vs. baseline "
        "on 18 validation images (95 % CI: −15.31 to +36.14, not significant), tied with trials "
        "2, 4."
    )


def test_a_large_gain_on_many_images_is_no_chance(tmp_path: Path) -> None:
    data = replace(studies.our_record().data, shapes={"train_images": (50_000, 32, 32, 3)})
    study = studies.our_study(data=data)
    study.add_trials([studies.trial(0, [80.0]), studies.trial(1, [90.0], lr=0.3)])
    words = search_best(read_study(study, tmp_path))
    assert "on 10,000 validation images (95 % CI: +9.02 to +10.98)" in words
    assert "significant" not in words
    assert "tied" not in words


def foreign(direction: str, **attributes: Any) -> optuna.Study:
    study = optuna.create_study(direction=direction, study_name="theirs")
    uniform = optuna.distributions.FloatDistribution(0, 10)
    for value in (3.0, 1.0, 2.0):
        study.add_trial(
            create_trial(
                value=value,
                params={"x": value},
                distributions={"x": uniform},
                intermediate_values={0: value},
                user_attrs=attributes,
            )
        )
    return study


@pytest.mark.parametrize(("direction", "best"), [("minimize", 1), ("maximize", 0)])
def test_another_programs_study_follows_its_direction(
    direction: str, best: int, tmp_path: Path
) -> None:
    data = read_study(foreign(direction), tmp_path)
    assert data.record is None
    assert data.best is not None
    assert data.best.number == best
    assert (
        search_best(data)
        == f"Trial {best} is the best of 3 completed trials, with value {[3, 1][best]}."
    )
    assert "value" in re.findall(r"<th[^>]*>([^<]*)</th>", make_page("x", "", sections_of(data)))


@pytest.mark.parametrize("name", ["seconds", "wall_seconds", "parameters", "test_top1", "epochs"])
def test_texts_where_we_keep_numbers_do_no_harm(name: str, tmp_path: Path) -> None:
    """Another program's attributes may have the names of ours."""
    study = foreign("minimize", **{name: "ten", "reason": 3, "best_epoch": 1.5, "macs": True})
    data = read_study(study, tmp_path)
    assert make_page("x", "", sections_of(data))
    assert data.trials["reason"].tolist() == ["3", "3", "3"]
