"""A trial's files, as the dashboard lists them."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.artifacts import get_all_artifact_meta

from search.common.layout import StudyFolder, artifacts_dir
from search.storage.artifacts import attach_files


def test_what_a_trial_left_is_attached_once(tmp_path: Path) -> None:
    study = optuna.create_study()
    trial, folder = study.ask(), StudyFolder(tmp_path, "study")
    attach_files(trial, folder)
    assert not artifacts_dir(tmp_path).exists()  # it left nothing
    folder.trial(0).mkdir(parents=True)
    folder.history(0).write_text("epoch\n1\n")
    attach_files(trial, folder)
    attach_files(trial, folder)  # as after a crash before the trial was finished
    study.tell(trial, 1.0)
    (meta,) = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert meta.filename == "history.csv"
    assert (artifacts_dir(tmp_path) / meta.artifact_id).read_text() == "epoch\n1\n"
