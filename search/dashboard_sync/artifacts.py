"""Files of a trial for the dashboard: its curves, its mistakes, its history.

A trial that ended takes no more attributes, so the dashboard's own way is used: the study says
which files a trial has. The ids follow from study, trial and name, so saving twice is saving
once.
"""

from __future__ import annotations

import io
import json
import mimetypes
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from optuna.artifacts import FileSystemArtifactStore
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.reporting.chart import BEST, DASHED, OTHER, Axis, Chart, Panel, chart
from search.reporting.pictures import draw_picture
from search.reporting.sections.classes import confusion_chart, read_counts
from search.reporting.sections.curves import EPOCH, line
from search.reporting.study_data import StudyData
from search.storage.optuna_internals import ARTIFACTS, set_study_attribute, trial_id

_NAMESPACE = uuid.UUID("5b0f1f3e-6d3c-4c8e-9a55-3f7a1f0f7c11")
LARGEST = 10_000_000  # bytes of a file


def save_files(
    study: Study,
    data: StudyData,
    trial: FrozenTrial,
    store: FileSystemArtifactStore,
    attributes: Mapping[str, Any],
) -> None:
    """Stores the files that ``attributes``, the study's system attributes, do not name yet."""
    for name, make in _files(data, trial):
        identity = artifact_id(data.name, trial, name)
        key = f"{ARTIFACTS}{trial_id(trial)}:{identity}"
        if key in attributes:
            continue
        content = make()
        if content is None:
            continue
        store.write(identity, io.BytesIO(content))
        kind, encoding = mimetypes.guess_type(name)
        meta = {"artifact_id": identity, "filename": name, "mimetype": kind, "encoding": encoding}
        set_study_attribute(study, key, json.dumps(meta))


def artifact_id(study_name: str, trial: FrozenTrial, name: str) -> str:
    """The same for the same file of the same trial, wherever it is asked for."""
    whose = f"{study_name}/{trial.number}/{trial.datetime_start}/{name}"
    return str(uuid.uuid5(_NAMESPACE, whose))


def _files(data: StudyData, trial: FrozenTrial) -> Iterator[tuple[str, Callable[[], bytes | None]]]:
    yield "curves.png", lambda: _picture(trial_curves(data, trial))
    yield "confusion.png", lambda: _confusion(data, trial)
    yield "feature_maps.png", lambda: _bytes(data.folder.feature_maps(trial.number))
    yield "history.csv", lambda: _bytes(data.folder.history(trial.number))


def trial_curves(data: StudyData, trial: FrozenTrial) -> Chart | None:
    """Accuracy and loss of one trial, training and validation."""
    curve = data.curve(trial)
    panels = []
    for title, unit, kind in (("Top-1", "top-1 (%)", "top1"), ("Loss", "loss", "loss")):
        series = line(curve, f"train_{kind}", "training", OTHER, dash=DASHED)
        series += line(curve, f"val_{kind}", "validation", BEST)
        if series:
            panels.append(Panel(title, EPOCH, Axis(unit), tuple(series), height=300))
    return chart("curves", f"Trial {trial.number}", panels)


def _confusion(data: StudyData, trial: FrozenTrial) -> bytes | None:
    found = read_counts(data.folder, trial.number)
    return None if found is None else _picture(confusion_chart(found, trial.number))


def _picture(drawn: Chart | None) -> bytes | None:
    if drawn is None:
        return None
    file = io.BytesIO()
    draw_picture(drawn, file)
    return file.getvalue()


def _bytes(path: Any) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= LARGEST else None
    except OSError:
        return None
