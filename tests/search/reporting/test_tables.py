"""The reports' own tables, from whatever varied."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState

from search.common.layout import StudyFolder
from search.record.record import ReferenceFigure
from search.reporting.blocks import PLAIN, REFERENCE, Table, fold_constant_columns, table_of
from search.reporting.comparison import config_diff, references_table, results_table
from search.reporting.sections.breakdowns import models_table, values_table
from search.reporting.sections.diagnostics import failure_table, rung_table
from search.reporting.sections.evaluation import per_class
from search.reporting.sections.overview import banner, tiles
from search.reporting.sections.trials import trials_table
from search.reporting.study_data import StudyData, read_study
from search.strategy.verdict import WINS, Verdict
from tests.search.reporting import studies
from trainers.metrics import METRICS


@pytest.fixture
def data(tmp_path: Path) -> StudyData:
    return read_study(studies.usual_study(tmp_path), tmp_path)


def cells(table: Table | None, first: str) -> dict[str, str]:
    """The row that begins with ``first``, by heading, without the intervals of accuracies."""
    assert table is not None
    found = [row.cells for row in table.rows if row.cells[0] == first]
    assert len(found) == 1, table
    figures = [cell.partition(" (")[0] for cell in found[0]]
    return dict(zip(table.headings, figures, strict=True))


def test_published_baseline_and_best_stand_results_table(data: StudyData) -> None:
    row = cells(results_table(data), "test top-1 (%)")
    assert row["published"] == "84.36"
    assert row["baseline: trial 0"] == "69.00"
    assert row["best: trial 2"] == "81.00"
    assert row["difference"] == "+12.00"


def test_the_baseline_as_the_best_has_one_column(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [1.0, 2.0]))
    only = read_study(study, tmp_path)
    table = results_table(only)
    assert table is not None
    assert table.headings == ("", "baseline and the best: trial 0", "published")
    assert config_diff(only).headings == ("parameter", "baseline")


def test_what_changed_from_the_baseline_to_the_best(data: StudyData) -> None:
    table = config_diff(data)
    assert cells(table, "lr") == {
        "parameter": "lr",
        "baseline": "0.1",
        "best": "0.2",
        "change": "× 2",
    }
    assert cells(table, "augment")["change"] == "changed"


def test_each_published_figure_meets_the_trial_with_its_setting(data: StudyData) -> None:
    table = references_table(data)
    assert table is not None
    found = [(row.cells[1], row.cells[2], row.cells[3], row.cells[4]) for row in table.rows]
    assert found == [
        ("baseline", "84.36", "69.00 (52.1–83.3)", "0"),  # Wilson, 21 of 30 images
        ("width = 1", "80.50", "75.00 (55.6–85.8)", "5"),  # 22 of 30: halves go to the even
    ]


def test_the_search_in_a_few_figures(data: StudyData) -> None:
    shown = {name: (value, word) for name, value, word in tiles(data).items}
    assert shown["trials"] == ("6", "3 completed, 2 pruned, 1 failed")
    # trained 4 + 2 + 4 + 2 + 0 + 4; the pruner spared 2 of trial 1, divergence is not its merit
    assert shown["epochs"] == ("16", "11 % saved by pruning")


def test_all_trials_those_that_completed_first_and_the_best_of_them(data: StudyData) -> None:
    table = trials_table(data)
    assert table is not None
    assert [row.cells[0] for row in table.rows] == ["published", "2", "5", "0", "1", "3", "4"]
    assert [row.mark for row in table.rows] == ["reference", "best", "", "baseline", "", "", ""]
    assert cells(table, "5")["validation top-1 (%)"] == "76.00"
    assert [row.cells[1] for row in table.rows[4:]] == ["pruned", "pruned", "fail"]


def test_a_column_of_equal_cells_becomes_a_sentence() -> None:
    rows = [{"trial": str(i), "lr": "0.1", "seed": "7", "lr_min": "–"} for i in range(3)]
    reference = {"trial": "reference", "lr": "0.2", "seed": "", "lr_min": "–"}
    table = table_of("T", [(reference, REFERENCE), *((row, PLAIN) for row in rows)])
    assert table is not None
    folded = fold_constant_columns(table)
    assert folded.headings == ("trial", "lr")  # the reference has another lr
    assert folded.caption == "The same in all: seed 7, lr_min –."
    assert folded.rows[1].cells == ("0", "0.1")


def test_each_value_of_a_parameter_has_a_row(data: StudyData) -> None:
    table = values_table(data)
    one = cells(table, "width = 1")  # trials 1 (pruned) and 5
    assert (one["trials"], one["completed"]) == ("2", "1")
    assert one["mean validation top-1 at epoch 2 (%)"] == "47.50"
    assert one["best validation top-1 (%)"] == "76.00"
    assert one["its test top-1 (%)"] == "75.00"
    assert one["published test top-1 (%)"] == "80.50"
    assert one["time (s)"] == "13"
    assert cells(table, "width = 2")["published test top-1 (%)"] == "84.36"
    assert cells(table, "augment = none")["trials"] == "5"


def test_models_by_size(data: StudyData) -> None:
    table = models_table(data)
    row = cells(table, "lenet, width 3")
    assert (row["parameters (M)"], row["MACs (M)"]) == ("0.003", "0.015")
    assert (row["memory (MiB)"], row["its test top-1 (%)"]) == ("802", "81.00")


def test_accuracy_of_each_class(data: StudyData) -> None:
    table = per_class(data)
    row = cells(table, "2")
    assert (row["cat"], row["dog"], row["owl"]) == ("80.00", "90.00", "50.00")
    assert cells(table, "0")["changed from baseline"] == "baseline"


def test_published_accuracies_of_classes(tmp_path: Path) -> None:
    figures = {"airplane": 87, "bird": 77}
    references = [
        ReferenceFigure("class_top1", value, "report C", {"augment": "crop", "class": name})
        for name, value in (("plane", 87), ("bird", 77))
    ]
    references.append(ReferenceFigure("test_top1", 88, "C", {"augment": "crop"}))
    study = studies.our_study(references=tuple(references))
    study.add_trial(studies.trial(0, [1.0]))
    folder = StudyFolder(tmp_path, "study")
    studies.write_evaluation(folder, 0, ((3, 1), (2, 2)), tuple(figures))
    data = read_study(study, tmp_path)
    row = cells(per_class(data), "published")
    assert row == {
        "trial": "published",
        "changed from baseline": "augment=crop",
        "test top-1 (%)": "88.00",
        "airplane": "87.00",
        "bird": "77.00",
    }
    listed = references_table(data)
    assert listed is not None
    assert len(listed.rows) == 1  # classes have their own table


def test_many_classes_show_the_worst_and_the_best(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [1.0]))
    right = [[i if i == j else 100 - i if j == (i + 1) % 100 else 0 for j in range(100)]
             for i in range(100)]  # fmt: skip
    names = [f"c{i}" for i in range(100)]
    studies.write_evaluation(StudyFolder(tmp_path, "study"), 0, right, names)
    table = per_class(read_study(study, tmp_path))
    assert table is not None
    expected = [f"c{i}" for i in range(10)] + [f"c{i}" for i in range(90, 100)]
    assert list(table.headings[3:]) == expected


def test_rungs_count_who_came_and_who_was_cut(data: StudyData) -> None:
    table = rung_table(data)
    row = cells(table, "2")
    assert (row["trials at rung"], row["pruned"], row["epochs saved"]) == ("5", "1", "2")
    assert (row["best at rung"], row["best that was pruned"]) == ("70.00", "30.00")


def test_other_endings_are_listed_with_their_reason(data: StudyData) -> None:
    table = failure_table(data)
    assert table is not None
    assert [row.cells for row in table.rows] == [
        ("3", "pruned", "diverged in epoch 2"),
        ("4", "fail", "RuntimeError: boom"),
    ]


def test_bars_of_gpu_or_cpu(tmp_path: Path) -> None:
    study = studies.our_study()
    sizes = CategoricalDistribution([100, 200, 300])
    for i, size in enumerate((100, 200, 300)):
        made = studies.trial(i, [10.0 * i])
        made.params = {"batch_size": size}
        made.distributions = {"batch_size": sizes}
        made.user_attrs |= {"gpu_utilization": 38.0 + i, "gpu_peak_memory_mb": 500.0}
        study.add_trial(made)
    table = values_table(read_study(study, tmp_path))
    row = cells(table, "batch_size = 200")
    assert (row["GPU utilisation (%)"], row["GPU memory (MiB)"]) == ("39", "500")


def test_whole_numbers_without_few_values_have_no_table(tmp_path: Path) -> None:
    study = studies.our_study()
    for i in range(20):
        made = studies.trial(i, [1.0 * i], TrialState.PRUNED)
        made.params, made.distributions = {"n": i}, {"n": IntDistribution(0, 100)}
        study.add_trial(made)
    data = read_study(study, tmp_path)
    assert values_table(data) is None


def test_what_fresh_seeds_chose_stands_beside_the_baseline(
    data: StudyData, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = Verdict(WINS, METRICS["test_top1"], METRICS["val_top1"], seeds=5, winner=5)
    monkeypatch.setattr(StudyData, "verdict", property(lambda data: verdict))
    row = cells(results_table(data), "validation top-1 (%)")
    assert row["chosen: trial 5"] == "76.00"
    assert row["difference"] == "+6.00"
    assert banner(data).headline == "Better than the baseline"
    assert config_diff(data).title == "Config diff: baseline → chosen"
