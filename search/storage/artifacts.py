"""A trial's files as Optuna's artifacts, which Optuna Dashboard shows beside the trial."""

from __future__ import annotations

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.trial import Trial

from search.common.layout import StudyFolder, artifacts_dir

LARGEST = 10_000_000  # bytes of a file


def attach_files(trial: Trial, folder: StudyFolder) -> None:
    """Copy what a trial left in its folder into the results' artifacts, each file once. It must
    not be finished yet: then it takes no more attributes. Raises ``OSError``."""
    number = trial.number
    paths = (folder.history(number), folder.evaluation(number), folder.feature_maps(number))
    there = [path for path in paths if path.is_file() and path.stat().st_size <= LARGEST]
    known = {meta.filename for meta in get_all_artifact_meta(trial)} if there else set()
    for path in there:
        if path.name not in known:
            place = artifacts_dir(folder.results_dir)
            place.mkdir(parents=True, exist_ok=True)
            store = FileSystemArtifactStore(place)
            upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)
