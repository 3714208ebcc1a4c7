"""Keeps what studies carry for the dashboard up to date while it is shown."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.common.errors import UserError, one_line
from search.dashboard_sync.artifacts import publish_files
from search.dashboard_sync.notes import has_note, save_study_note, save_trial_note
from search.dashboard_sync.plots import plots_of, save_plots
from search.reporting.study_data import StudyData, read_study
from search.storage.optuna_internals import (
    OBJECTIVE_NAMES,
    set_study_attribute,
    study_attributes,
    trial_id,
)

SECONDS_BETWEEN_LOOKS = 10.0
MOST_WITH_FILES = 200  # trials; the dashboard lists files in time that grows with their square


@dataclass
class Published:
    """What one study was given so far in this process."""

    trials: set[int] = field(default_factory=set)
    plots: dict[str, str] = field(default_factory=dict)
    ended: int = -1


class Publisher:
    """Looks at every study of a storage again and again, in a thread of its own.

    It writes notes, plots and files and never touches a trial, so a search is not disturbed.
    """

    def __init__(self, storage: BaseStorage, results_dir: Path, store: FileSystemArtifactStore):
        self._storage = storage
        self._results_dir = results_dir
        self._store = store
        self._published: dict[str, Published] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the write at hand."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            started = time.monotonic()
            self.look()
            pause = max(SECONDS_BETWEEN_LOOKS, 2 * (time.monotonic() - started))
            self._stopped.wait(pause)

    def look(self) -> None:
        """Publishes what is new in every study. A study that cannot be read is named once."""
        for name in optuna.get_all_study_names(self._storage):
            published = self._published.setdefault(name, Published())
            try:
                study = optuna.load_study(study_name=name, storage=self._storage)
                publish(study, self._results_dir, self._store, published, self._stopped.is_set)
            except UserError:
                continue  # no trials yet, or not one of ours
            except Exception as error:
                print(f"warning: study {name!r}: {one_line(error)}", file=sys.stderr)


def publish(
    study: Study,
    results_dir: Path,
    store: FileSystemArtifactStore,
    published: Published,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Notes, files and plots of the trials that ended since the last time."""
    if "identity" not in study.user_attrs:
        return  # another program's study: nothing of ours belongs there
    ended = sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
    if ended == published.ended:
        return
    data = read_study(study, results_dir)
    _name_objective(study, data)
    save_study_note(study, data)
    attributes = study_attributes(study)
    for trial in _in_order(data):
        if stopped():
            return
        if trial.number not in published.trials:
            if not has_note(attributes, trial_id(trial)):
                save_trial_note(study, data, trial)
            if len(published.trials) < MOST_WITH_FILES:
                publish_files(study, data, trial, store, attributes)
            published.trials.add(trial.number)
    save_plots(study, plots_of(data), published.plots)
    published.ended = ended


def _name_objective(study: Study, data: StudyData) -> None:
    """What the dashboard writes at its axes. Not ``study.set_metric_names``: that would rename
    the column ``value`` of everybody's ``study.trials_dataframe()``."""
    if OBJECTIVE_NAMES not in study_attributes(study):
        set_study_attribute(study, OBJECTIVE_NAMES, [data.metric])


def _in_order(data: StudyData) -> list[FrozenTrial]:
    """The recipe and the best first, then the newest."""
    first = {trial.number for trial in (data.recipe, data.best) if trial is not None}
    ended = [trial for trial in data.frozen if trial.state.is_finished()]
    return sorted(ended, key=lambda trial: (trial.number not in first, -trial.number))
