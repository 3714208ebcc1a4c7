"""How trials end: each in one terminal state, finished once, with its reason on record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.common.file_store import files_of
from search.common.layout import StudyFolder
from search.record.trials import (
    COMPLETED,
    COPY_OF,
    DIVERGED,
    ENDED_BY,
    ERROR,
    INFEASIBLE,
    MEMORY,
    PAUSED,
    PRUNER,
    REASON,
    RETRY_OF,
    TARGET,
    is_paused,
)
from search.storage.artifacts import attach_files
from search.storage.database import one_commit
from search.storage.optuna_internals import reported_values, storage_of, trial_id
from search.study import events
from search.study.messages import Completed, Diverged, Ending, Failed, OutOfMemory
from search.study.running_trials import LiveTrial
from trainers.atomic_files import remove_partials
from trainers.failpoints import failpoint
from trainers.metrics import Metric

OF_ONE_TRIAL = ("driver", RETRY_OF, TARGET, PAUSED)  # attributes that no copy shares


class Finisher:
    """Finishes a study's trials, and returns what is to be announced of it.

    A crash at any point leaves a trial that can be finished again.
    """

    def __init__(
        self,
        study: Study,
        metric: Metric,
        folder: StudyFolder,
        observe: Callable[[events.Event], None],
    ):
        self._study = study
        self._metric = metric
        self._folder = folder
        self._files = files_of(folder)
        self._observe = observe

    def finish(self, live: LiveTrial, ending: Ending) -> events.Ended:
        """Finishes a trial by the ending that its worker sent."""
        if isinstance(ending, Completed) and not live.epoch:
            ending = Failed("completed without an epoch")
        if isinstance(ending, Completed):
            return self._completed(live, ending)
        if isinstance(ending, Diverged):
            return self._diverged(live, ending)
        if isinstance(ending, OutOfMemory):
            reason = f"out_of_memory: {ending.reason}"
            return self._constrained(live.trial, MEMORY, "memory", reason)
        assert isinstance(ending, Failed), ending
        return self._failed(live.trial, ending)

    def _completed(self, live: LiveTrial, news: Completed) -> events.Ended:
        """Finish a trial as COMPLETE with the best value that was reported."""
        values = reported_values(live.trial)
        best_epoch = min(epoch for epoch, value in values.items() if value == live.best)
        figures = {"best_epoch": best_epoch, **news.figures}
        trial, state = live.trial, TrialState.COMPLETE
        with one_commit(storage_of(self._study)):
            self._attach_files(trial)
            return self._tell(trial, state, COMPLETED, "completed", figures, live.best)

    def _attach_files(self, trial: Trial) -> None:
        """Attach a trial's files for the dashboard, while it still takes attributes."""
        try:
            attach_files(trial, self._folder)
        except OSError as error:  # a full disk must not take the other trials along
            text = f"cannot attach the files of trial {trial.number}: {error}"
            self._observe(events.Note(text, warning=True))

    def copied(self, trial: Trial, original: FrozenTrial) -> events.Ended:
        """Return the ending of ``original``, a trial of the same configuration: its curve, figures
        and files too. Where that one is paused the copy is PRUNED there: only the original
        resumes."""
        self._copy_files(original.number, trial.number)
        notes = {name: v for name, v in original.user_attrs.items() if name not in OF_ONE_TRIAL}
        state, by, why = original.state, notes.get(ENDED_BY, COMPLETED), notes.get(REASON)
        if is_paused(original):
            state, by, why = TrialState.PRUNED, PRUNER, f"pruned at epoch {original.last_step}"
        value = original.value if state == TrialState.COMPLETE else None
        with one_commit(storage_of(self._study)):
            known = reported_values(trial)
            for epoch, reported in original.intermediate_values.items():
                if epoch not in known:
                    trial.report(reported, epoch)
                    failpoint("epoch copied")
            figures = {**notes, COPY_OF: original.number}
            reason = f"copy of trial {original.number}: {why}"
            return self._tell(trial, state, by, reason, figures, value)

    def _copy_files(self, original: int, copy: int) -> None:
        """Copy the files of a trial that reports read."""
        remove_partials(self._folder.trial(copy))  # of a copy that was killed
        for file in (self._folder.history, self._folder.evaluation):
            with suppress(FileNotFoundError):
                self._files.copy(file(original), file(copy))

    def pruned(self, live: LiveTrial, epoch: int) -> events.Ended:
        """Finish a trial as PRUNED; its value is its last report, as Optuna has it."""
        failpoint("pruning decided")
        reason = f"pruned at epoch {epoch} of {live.config.epochs}"
        return self._tell(live.trial, TrialState.PRUNED, PRUNER, reason, live.usage)

    def left_paused(self, paused: FrozenTrial, epochs: int) -> events.Ended:
        """Finish a paused trial as PRUNED: the study is met, and nobody resumes it."""
        reason = f"pruned at epoch {paused.last_step} of {epochs} (not promoted)"
        trial = Trial(self._study, trial_id(paused))
        ended = self._tell(trial, TrialState.PRUNED, PRUNER, reason)
        failpoint("paused finished")
        return ended

    def _diverged(self, live: LiveTrial, news: Diverged) -> events.Ended:
        """Finish a trial as PRUNED with NaN as its last report: the sampler learns from it."""
        if news.epoch not in reported_values(live.trial):
            live.trial.report(math.nan, news.epoch)
            failpoint("divergence reported")
        return self._tell(live.trial, TrialState.PRUNED, DIVERGED, news.reason, live.usage)

    def invalid(self, trial: Trial, fault: str) -> events.Ended:
        """Finish a trial as FAIL: values outside the space have nothing to teach the sampler."""
        return self._tell(trial, TrialState.FAIL, INFEASIBLE, f"infeasible: {fault}")

    def infeasible(self, trial: Trial, rule: str) -> events.Ended:
        """Finish a trial as PRUNED: its combination of values makes no sense."""
        return self._constrained(trial, INFEASIBLE, "feasible", f"infeasible: {rule}")

    def _constrained(self, trial: Trial, by: str, key: str, reason: str) -> events.Ended:
        """Finish a trial as PRUNED with a constraint, so that the sampler turns away."""
        if key not in trial.constraints:
            trial.set_constraint(key, 1.0)
            failpoint("constraint recorded")
        return self._tell(trial, TrialState.PRUNED, by, reason)

    def _failed(self, trial: Trial, news: Failed) -> events.Ended:
        """Finish a trial as FAIL, which teaches the sampler nothing; its traceback goes into the
        trial's folder."""
        path = self._folder.failure(trial.number)
        try:
            if news.traceback:
                self._files.write(path, news.traceback.encode())
        except OSError as error:  # a full disk must not take the other trials along
            self._observe(events.Note(f"cannot write {path}: {error}", warning=True))
        return self._tell(trial, TrialState.FAIL, ERROR, news.reason)

    def _tell(
        self,
        trial: Trial,
        state: TrialState,
        by: str,
        reason: str,
        figures: Mapping[str, Any] | None = None,
        value: float | None = None,
    ) -> events.Ended:
        attributes = {**(figures or {}), ENDED_BY: by, REASON: reason}
        with one_commit(storage_of(self._study)):
            for name, figure in attributes.items():
                trial.set_user_attr(name, figure)
            failpoint("reason recorded")
            self._study.tell(trial, value, state)
        failpoint("trial finished")
        params = dict(trial.params)
        return events.Ended(trial.number, state.name, reason, params, self._metric, value)
