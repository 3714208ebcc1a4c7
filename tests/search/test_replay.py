"""search.replay against a study that was really trained, and against one that was tampered with."""

from __future__ import annotations

import math
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

from search import evaluate, replay
from search.common.errors import UserError, run_main
from search.record.record import EXACT, read_record, write_record
from trainers.validators import ConfigError

SETTINGS = "depth=10 width=1 batch_size=512 optimizer=sgd dropout=0.1 rho=0.05 weight_decay=0.0005"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, in_process: Any) -> Path:
    """Trial 0 of a study on the digits, two epochs, with a path that needs care."""
    folder = tmp_path_factory.mktemp("größe 1")
    fixed = [part for setting in SETTINGS.split() for part in ("--set", setting)]
    flags = ["--space", "wrn_sam", "--preset", "quick", "--dataset", "digits", "--n-trials", "1"]
    flags += ["--epochs", "2", "--threads", "1", "--precision", "float32", *fixed]
    flags += ["--data-dir", str(folder / "data"), "--results-dir", str(folder / "results")]
    in_process(*flags, "--study-name", "s")
    return folder / "results"


def again(folder: Path, *flags: str) -> int:
    return replay.main(["--study-name", "s", "--trial", "0", "--results-dir", str(folder), *flags])


def test_a_trial_comes_out_the_same(trained: Path, capsys: Any) -> None:
    assert again(trained) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "trial 0: the same bit for bit"


def test_weights_that_are_gone_are_trained_again(
    trained: Path, tmp_path: Path, capsys: Any
) -> None:
    """What evaluate says of them leads there."""
    folder = tmp_path / "moved"
    shutil.copytree(trained, folder)
    trial = folder / "s" / "trials" / "00000"
    (trial / "best.pt").unlink()
    assert run_main(lambda: evaluate.main([str(trial)])) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"no such checkpoint: {trial / 'best.pt'}; a search keeps its best" in error
    assert "search.replay --out FOLDER trains a trial again" in error
    assert again(folder, "--out", str(tmp_path / "out")) == 0
    assert evaluate.main([str(tmp_path / "out")]) == 0
    with pytest.raises(UserError, match="is there already; choose another"):
        again(folder, "--out", str(tmp_path / "out"))


def test_a_difference_is_stated(trained: Path, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(trained, folder)
    history = folder / "s" / "trials" / "00000" / "history.csv"
    head, first, second = history.read_text().splitlines()
    figures = first.split(",")
    figures[2] = "1.5"
    history.write_text("\n".join([head, ",".join(figures), second]) + "\n")
    assert again(folder) == 1
    out = capsys.readouterr().out
    assert "not the same, first at epoch 1: train_loss was 1.5, now " in out
    assert "versions and machine are those of the study" in out


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        (("--trial", "7"), r"--trial must be in \[0, 0\], got 7"),
        (("--dataset", "digits32"), "--dataset must be the study's own, with fingerprint"),
        (("--study-name", "t"), "no study 't' in"),
    ],
)
def test_wrong_input_is_one_line(trained: Path, flags: tuple[str, str], rule: str) -> None:
    with pytest.raises(UserError, match=rule):
        again(trained, *flags)


def test_a_study_that_was_trained_on_a_gpu_needs_one(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "results")
    study = optuna.load_study(
        study_name="s", storage=f"sqlite:///{tmp_path / 'results' / 'studies.db'}"
    )
    record = read_record(study)
    assert record is not None
    write_record(study, replace(record, execution=replace(record.execution, device="cuda")))
    with pytest.raises(UserError, match="trained on a GPU, and there is none here"):
        again(tmp_path / "results")


def test_a_study_of_another_program_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/studies.db", study_name="s")
    study.optimize(lambda trial: trial.report(1.0, 1) or 1.0, n_trials=1)
    with pytest.raises(UserError, match="was not made by this program"):
        again(tmp_path)


def test_more_epochs_on_record_than_are_trained_are_a_difference(
    trained: Path, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(trained, folder)
    with sqlite3.connect(folder / "studies.db") as database:
        database.execute(
            "INSERT INTO trial_intermediate_values"
            " (trial_id, step, intermediate_value, intermediate_value_type)"
            " VALUES (1, 3, 50.0, 'FINITE')"
        )
    assert again(folder) == 1
    assert "epoch 3: on record, but training ends before it" in capsys.readouterr().out


def test_a_loop_of_ones_own_comes_out_the_same(
    tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Its trial diverges, and one of its metrics is yielded in some epochs only."""
    (tmp_path / "task.py").write_text(
        "def train(config, run):\n"
        "    for epoch in run.epochs():\n"
        "        rarely = {'val_loss': 0.5} if epoch == 2 else {}\n"
        "        yield {'val_top1': float('nan') if epoch == 3 else 10.0 * epoch, **rarely}\n"
    )
    (tmp_path / "space.py").write_text(
        "from spaces.params import Float\nfrom spaces.space import Space\n"
        "SPACE = Space('mine', baseline={'x': 0.5, 'epochs': 4},\n"
        "              parameters=(Float('x', 0.0, 1.0),), train='task:train')\n"
    )
    monkeypatch.setattr("search.settings.decide.check_resume", lambda *_: EXACT)
    places = ["--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path)]
    flags = ["--space", str(tmp_path / "space.py"), "--n-trials", "1", "--study-name", "s"]
    study = in_process(*flags, *places, "--pruner", "none", "--no-confirm", "--threads", "1")
    curve = study.get_trials()[0].intermediate_values
    assert (curve[1], curve[2], math.isnan(curve[3])) == (10.0, 20.0, True)
    with pytest.raises(ConfigError, match=r"study 's' has train=.*task\.py:train.*--trust-code"):
        again(tmp_path / "results")
    assert again(tmp_path / "results", "--trust-code") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "trial 0: the same bit for bit"


def test_what_a_loop_returned_comes_out_the_same(
    tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (tmp_path / "task.py").write_text(
        "def train(config, run):\n"
        "    for epoch in run.epochs():\n"
        "        yield {'val_top1': 10.0 * epoch}\n"
        "    return {'test_f1': 0.25, 'test_auc': 0.5}\n"
    )
    (tmp_path / "space.py").write_text(
        "from spaces.params import Float\nfrom spaces.space import Space\n"
        "SPACE = Space('mine', baseline={'x': 0.5, 'epochs': 2},\n"
        "              parameters=(Float('x', 0.0, 1.0),), train='task:train')\n"
    )
    monkeypatch.setattr("search.settings.decide.check_resume", lambda *_: EXACT)
    places = ["--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path)]
    flags = ["--space", str(tmp_path / "space.py"), "--n-trials", "1", "--study-name", "s"]
    in_process(*flags, *places, "--no-confirm", "--threads", "1")
    assert again(tmp_path / "results", "--trust-code") == 0
    assert "test: 2 figures are the same" in capsys.readouterr().out
