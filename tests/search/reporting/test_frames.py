"""The two tables: one row per trial, one per trial and epoch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from search.common.layout import StudyFolder
from search.reporting.columns import EPOCH_COLUMNS, TRIAL_COLUMNS
from search.reporting.sections.trials import trials_table
from search.reporting.study_data import read_study
from tests.search.reporting import studies


@pytest.fixture
def frames(tmp_path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    study = studies.usual_study(tmp_path)
    data = read_study(study, tmp_path)
    return data.trials, data.epochs


def test_a_row_per_trial_with_states_and_failure_table(frames: Any) -> None:
    trials, _ = frames
    assert trials["number"].tolist() == [0, 1, 2, 3, 4, 5]
    states = ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert trials["state"].tolist() == states
    assert trials["reason"][1] == "pruned at epoch 2 of 4"
    assert trials["reason"][4] == "RuntimeError: boom"


def test_figures_of_the_best_epoch_come_from_study_and_history(frames: Any) -> None:
    trials, _ = frames
    baseline = trials.loc[0]  # 40, 60, 70, 69: best at epoch 3
    assert (baseline["val_top1"], baseline["best_epoch"], baseline["epochs"]) == (70.0, 3, 4)
    assert baseline["val_top5"] == pytest.approx(95.3)
    assert baseline["val_loss"] == pytest.approx(0.5)
    assert baseline["train_top1"] == pytest.approx(65.0)
    assert baseline["train_loss"] == pytest.approx(2 / 3)
    assert baseline["test_top1"] == 69.0
    assert baseline["seconds"] == 8.0


def test_a_pruned_trial_has_its_best_epoch_so_far_and_no_test(frames: Any) -> None:
    trials, _ = frames
    assert trials["val_top1"][1] == 30.0
    assert math.isnan(trials["test_top1"][1])


def test_nan_epochs_count_as_run_but_not_as_best(frames: Any) -> None:
    trials, epochs = frames
    assert (trials["val_top1"][3], trials["best_epoch"][3], trials["epochs"][3]) == (10.0, 1, 2)
    assert math.isnan(epochs[(epochs["number"] == 3) & (epochs["epoch"] == 2)]["val_top1"].item())


def test_a_row_per_trial_and_epoch(frames: Any) -> None:
    _, epochs = frames
    assert len(epochs) == 4 + 2 + 4 + 2 + 0 + 4
    row = epochs[(epochs["number"] == 2) & (epochs["epoch"] == 4)].iloc[0]
    assert row["val_top1"] == 82.0
    assert row["lr"] == pytest.approx(0.025)
    assert row["train_top1"] == pytest.approx(77.0)


def test_columns_are_the_documented_ones_with_their_types(frames: Any) -> None:
    trials, epochs = frames
    names = [column.name for column in TRIAL_COLUMNS]
    ours = [name for name in trials.columns if not name.startswith("params_")]
    assert ours == names
    for column in TRIAL_COLUMNS:
        assert str(trials[column.name].dtype) == column.dtype, column.name
    assert [(c, str(d)) for c, d in epochs.dtypes.items()] == [
        (column.name, column.dtype) for column in EPOCH_COLUMNS
    ]


def test_parameters_have_the_types_of_their_distributions(frames: Any) -> None:
    trials, _ = frames
    types = {name: str(trials[f"params_{name}"].dtype) for name in ("lr", "width", "augment")}
    assert types == {"lr": "float64", "width": "Int64", "augment": "str"}
    assert trials["params_augment"].tolist()[:3] == ["none", "none", "crop"]


def test_seed_and_versions_are_the_studys(frames: Any) -> None:
    trials, _ = frames
    assert trials["seed"].tolist() == [17] * 6
    assert trials["versions"][0] == "torch 2.9.0, optuna 5.0.0"


def test_a_seed_that_varies_is_each_trials_own(tmp_path: Path) -> None:
    study = studies.our_study()
    for seed in (4, 9):
        study.add_trial(
            create_trial(
                params={"seed": seed}, distributions={"seed": IntDistribution(0, 10)}, value=1.0
            )
        )
    assert read_study(study, tmp_path).trials["seed"].tolist() == [4, 9]


def test_conditional_and_mixed_parameters(tmp_path: Path) -> None:
    study = optuna.create_study()
    kinds = CategoricalDistribution(["a", None, 3, True])
    for kind in ("a", None, 3, True):
        study.add_trial(create_trial(params={"k": kind}, distributions={"k": kinds}, value=0.0))
    flag = CategoricalDistribution([True, False])
    only = {"x": FloatDistribution(0, 1), "flag": flag}
    study.add_trial(create_trial(params={"x": 0.5, "flag": False}, distributions=only, value=0.0))
    frame = read_study(study, tmp_path).trials
    assert frame["params_k"].tolist()[:4] == ["a", "None", "3", "True"]
    assert pd.isna(frame["params_k"][4])
    assert math.isnan(frame["params_x"][0])
    assert frame["params_x"][4] == 0.5
    assert str(frame["params_flag"].dtype) == "boolean"
    assert frame["params_flag"][4] == False  # noqa: E712  numpy's


def test_without_folders_the_columns_are_empty(tmp_path: Path) -> None:
    study = studies.usual_study(tmp_path)
    trials = read_study(study, tmp_path / "elsewhere").trials
    epochs = read_study(study, tmp_path / "elsewhere").epochs
    assert trials["val_loss"].isna().all()
    assert epochs["train_loss"].isna().all()
    assert epochs["val_top1"].notna().sum() == 15
    assert trials["val_top1"][2] == 82.0


def test_torn_and_foreign_rows_of_a_history_are_left_out(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [10.0, 20.0, 30.0]))
    folder = StudyFolder(tmp_path, "study")
    studies.write_history(folder, 0, [10.0, 20.0, 30.0])
    lines = folder.history(0).read_text().splitlines()
    torn = lines[3][: len(lines[3]) // 2]
    folder.history(0).write_text("\n".join([lines[0], lines[1], "2,what,is,this", torn]))
    epochs = read_study(study, tmp_path).epochs
    assert epochs["train_loss"].tolist()[0] == 2.0
    assert epochs["train_loss"].isna().tolist() == [False, True, True]


def test_an_epoch_written_twice_counts_as_its_last(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [10.0]))
    folder = StudyFolder(tmp_path, "study")
    studies.write_history(folder, 0, [10.0])
    header, row = folder.history(0).read_text().splitlines()
    again = row.replace("0.1,2.0,", "0.1,7.5,", 1)
    folder.history(0).write_text(f"{header}\n{row}\n{again}\n")
    assert read_study(study, tmp_path).epochs["train_loss"].tolist() == [7.5]


def test_a_study_is_read_while_it_runs(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [10.0, 20.0], TrialState.RUNNING))
    frame = read_study(study, tmp_path).trials
    assert frame["state"].tolist() == ["RUNNING"]
    assert frame["val_top1"].tolist() == [20.0]
    assert frame["end"].isna().all()


@pytest.mark.parametrize(
    ("heading", "columns"), [("trials", TRIAL_COLUMNS), ("epochs", EPOCH_COLUMNS)]
)
def test_the_readme_of_results_documents_every_column(heading: str, columns: Any) -> None:
    readme = Path(__file__).parents[3] / "results" / "README.md"
    text = readme.read_text(encoding="utf-8").split(f"## Columns of {heading}")[1].split("##")[0]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [f"| `{c.name}` | {c.dtype} | {c.meaning} |" for c in columns]


def test_metrics_of_a_users_own_are_in_the_tables_under_their_names(tmp_path: Path) -> None:
    study = studies.our_study()
    study.add_trial(studies.trial(0, [10.0, 20.0], recorded={"test_f1": 0.5, "paused_at": 1}))
    folder = StudyFolder(tmp_path, "study")
    folder.trial(0).mkdir(parents=True)
    folder.history(0).write_text("epoch,val_top1,val/f1\n1,10.0,0.1\n2,20.0,0.2\n")
    data = read_study(study, tmp_path)
    assert data.tables["epochs"]["val/f1"].tolist() == [0.1, 0.2]
    trials = data.tables["trials"]
    assert (trials["val/f1"][0], trials["test_f1"][0]) == (0.2, 0.5)
    assert not {"paused_at", "gpu_power_w", "val_top5"} & set(trials)  # not measured
    table = trials_table(data)
    assert table is not None
    assert {"val/f1", "test f1"} <= set(table.headings)
