"""Keeps what studies carry for the dashboard up to date while it is shown."""

from __future__ import annotations

import sys
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
from search.dashboard_sync.artifacts import save_files
from search.dashboard_sync.notes import has_note, save_study_note, trial_note, write_note
from search.dashboard_sync.plots import plots_of, save_plots
from search.record.record import read_record
from search.reporting.study_data import StudyData, read_study
from search.storage.optuna_internals import (
    OBJECTIVE_NAMES,
    set_study_attribute,
    study_attributes,
    trial_id,
)

SECONDS_BETWEEN_LOOKS = 10.0
MOST, FEWEST = 100, 20  # trials with a note and files of ours
LOOKS = 200_000  # of the dashboard: for each trial it goes through all attributes of the study


@dataclass
class Saved:
    """What one study was given so far in this process."""

    with_files: set[int] = field(default_factory=set)
    plots: dict[str, str] = field(default_factory=dict)
    ended: int = -1


class DashboardSync:
    """Looks at every study of a storage again and again, until ``stopped`` is true, which it asks
    with the seconds that it may wait.

    It writes notes, plots and files and never touches a trial, so a search is not disturbed.
    """

    def __init__(
        self,
        storage: BaseStorage,
        results_dir: Path,
        store: FileSystemArtifactStore,
        stopped: Callable[[float], bool] = lambda seconds: False,
    ):
        self._storage = storage
        self._results_dir = results_dir
        self._store = store
        self._saved: dict[str, Saved] = {}
        self._stopped = stopped

    def run(self) -> None:
        """Ends after the write at hand."""
        pause = 0.0
        while not self._stopped(pause):
            started = time.monotonic()
            self.look()
            pause = max(SECONDS_BETWEEN_LOOKS, 2 * (time.monotonic() - started))

    def look(self) -> None:
        """Saves what is new in every study. A study that cannot be read is named, a storage that
        cannot be asked is asked again at the next look."""
        try:
            names = optuna.get_all_study_names(self._storage)
        except Exception as error:
            print(f"warning: the study database: {one_line(error)}", file=sys.stderr)
            return
        for name in names:
            saved = self._saved.setdefault(name, Saved())
            try:
                study = optuna.load_study(study_name=name, storage=self._storage)
                save_study(study, self._results_dir, self._store, saved, self._stopped)
            except UserError:
                continue  # no trials yet, or not one of ours
            except Exception as error:
                print(f"warning: study {name!r}: {one_line(error)}", file=sys.stderr)


def save_study(
    study: Study,
    results_dir: Path,
    store: FileSystemArtifactStore,
    saved: Saved,
    stopped: Callable[[float], bool] = lambda seconds: False,
) -> None:
    """Notes, plots and files of the trials that ended since the last time."""
    if read_record(study) is None:
        return  # another program's study: nothing of ours belongs there
    ended = sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
    if ended == saved.ended:
        return
    data = read_study(study, results_dir)
    _name_objective(study, data)
    save_study_note(study, data)
    save_plots(study, plots_of(data), saved.plots)
    attributes = study_attributes(study)
    trials = _in_order(data)
    noted = {t.number for t in trials if has_note(attributes, trial_id(t))}
    most = max(FEWEST, min(MOST, LOOKS // len(data.frozen)))
    for trial in _within(trials, noted, most):
        if stopped(0):
            return
        write_note(study, trial_note(data, trial), attributes, trial_id(trial))
    for trial in _within(trials, saved.with_files, most):
        if stopped(0):
            return
        save_files(study, data, trial, store, attributes)
        saved.with_files.add(trial.number)
    saved.ended = ended


def _within(trials: list[FrozenTrial], done: set[int], most: int) -> list[FrozenTrial]:
    """The first ``trials`` that are not ``done``, ``most`` with those that are."""
    return [t for t in trials if t.number not in done][: max(0, most - len(done))]


def _name_objective(study: Study, data: StudyData) -> None:
    """What the dashboard writes at its axes. Not ``study.set_metric_names``: that would rename
    the column ``value`` of everybody's ``study.trials_dataframe()``."""
    if OBJECTIVE_NAMES not in study_attributes(study):
        set_study_attribute(study, OBJECTIVE_NAMES, [data.objective.heading])


def _in_order(data: StudyData) -> list[FrozenTrial]:
    """What ended: the recipe and the best first, then the newest."""
    ended = [trial for trial in data.frozen if trial.state.is_finished()]
    return sorted(ended, key=lambda trial: (not data.mark(trial.number), -trial.number))
