"""The best weights come back from disk with all that is needed to test them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainers.data import DataError, ImageData, open_prepared, prepare
from trainers.evaluation.evaluation import Evaluation
from trainers.execution import Execution
from trainers.runs.checkpoint import LATEST, CheckpointError, write_checkpoint
from trainers.runs.saved_model import read_saved, restore
from trainers.runs.training_run import BEST, TrainingRun


@pytest.fixture(scope="module")
def trained(tiny_config, digits_folder: Path, tmp_path_factory) -> tuple[Path, Evaluation]:
    """A run's folder and its evaluation."""
    folder = tmp_path_factory.mktemp("run")
    run = TrainingRun(tiny_config(epochs=2, lr=0.05), digits_folder, Execution(), folder)
    assert len(list(run.results())) == 2
    return folder, run.test()


def figures(evaluation: Evaluation) -> dict[str, float]:
    return {k: v for k, v in evaluation.figures().items() if k != "test_seconds"}


def test_the_saved_model_is_tested_alike(trained, digits: ImageData) -> None:
    folder, evaluation = trained
    saved = read_saved(folder / BEST)
    again = restore(saved, open_prepared(saved.data_folder)).test()
    assert figures(again) == figures(evaluation)
    assert again.confusion == evaluation.confusion
    assert saved.config.lr == 0.05
    assert saved.fingerprint == digits.fingerprint
    assert 1 <= saved.epoch <= 2


def test_a_folder_stands_for_its_best_weights(trained) -> None:
    folder, _ = trained
    assert read_saved(folder).epoch == read_saved(folder / BEST).epoch


def test_other_data_are_refused(trained, tmp_path: Path) -> None:
    folder, _ = trained
    others = open_prepared(prepare("digits", tmp_path))
    with pytest.raises(DataError, match="not the data that this model was trained on"):
        restore(read_saved(folder), others)


def test_what_is_no_saved_model_is_refused_by_name(trained, tmp_path: Path) -> None:
    folder, _ = trained
    with pytest.raises(CheckpointError, match=rf"no such checkpoint: .*{BEST}"):
        read_saved(tmp_path)
    with pytest.raises(CheckpointError, match=f"{LATEST}: holds no finished weights.*give a run's"):
        read_saved(folder / LATEST)
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(CheckpointError, match=r"notes\.txt: not a checkpoint"):
        read_saved(tmp_path / "notes.txt")
    (tmp_path / "cut.pt").write_bytes((folder / BEST).read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"cut\.pt: truncated"):
        read_saved(tmp_path / "cut.pt")
    write_checkpoint(tmp_path / "odd.pt", {"identity": {"config": {"lr": -1}}})
    with pytest.raises(CheckpointError, match=r"odd\.pt: holds no finished weights"):
        read_saved(tmp_path / "odd.pt")
