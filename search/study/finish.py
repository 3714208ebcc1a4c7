"""How trials end: each in one terminal state, told once, with its reason on record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.common.layout import StudyFolder
from search.common.study_files import files_of
from search.record.trials import (
    COPY_OF,
    COPY_REASON,
    PAUSED,
    PRUNER_REASON,
    RETRY_OF,
    TARGET,
    is_paused,
)
from search.storage.database import one_commit
from search.storage.optuna_internals import reported_values, storage_of, trial_id
from search.study import events
from search.study.live_trial import LiveTrial
from search.study.messages import Completed, Diverged, Ending, Failed, OutOfMemory
from trainers.atomic_files import remove_partials
from trainers.failpoints import failpoint
from trainers.metrics import Metric

OF_ONE_TRIAL = ("driver", RETRY_OF, TARGET, PAUSED)  # attributes that no copy shares


class Endings:
    """Tells a study's trials, and returns what is to be announced of it.

    A crash at any point leaves a trial that can be told again.
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

    def told(self, live: LiveTrial, ending: Ending) -> events.Ended:
        """The ending that a worker sent."""
        if isinstance(ending, Completed):
            if live.epoch:
                return self.completed(live, ending)
            ending = Failed("completed without an epoch")
        if isinstance(ending, Diverged):
            return self.diverged(live, ending)
        if isinstance(ending, OutOfMemory):
            return self.out_of_memory(live.trial, ending)
        assert isinstance(ending, Failed), ending
        return self.failed(live.trial, ending)

    def completed(self, live: LiveTrial, news: Completed) -> events.Ended:
        """COMPLETE with the best value that was reported."""
        values = reported_values(live.trial)
        best_epoch = min(epoch for epoch, value in values.items() if value == live.best)
        figures = {"best_epoch": best_epoch, **news.figures}
        return self._tell(live.trial, TrialState.COMPLETE, live.best, "completed", figures)

    def copied(self, trial: Trial, original: FrozenTrial) -> events.Ended:
        """The ending of ``original``, a trial of the same configuration: its curve, figures and
        files too. Where that one is paused the copy is PRUNED there: only the original goes on."""
        self._copy_files(original.number, trial.number)
        notes = {name: v for name, v in original.user_attrs.items() if name not in OF_ONE_TRIAL}
        figures = {**notes, COPY_OF: original.number}
        paused = is_paused(original)
        state = TrialState.PRUNED if paused else original.state
        why = f"{PRUNER_REASON} {original.last_step}" if paused else notes.get("reason")
        reason = f"{COPY_REASON} {original.number}: {why}"
        with one_commit(storage_of(self._study)):
            known = reported_values(trial)
            for epoch, reported in original.intermediate_values.items():
                if epoch not in known:
                    trial.report(reported, epoch)
                    failpoint("epoch copied")
            value = original.value if state == TrialState.COMPLETE else None
            return self._tell(trial, state, value, reason, figures)

    def _copy_files(self, original: int, copy: int) -> None:
        """What reports read of a trial."""
        remove_partials(self._folder.trial(copy))  # of a copy that was killed
        for file in (self._folder.history, self._folder.evaluation):
            with suppress(FileNotFoundError):
                self._files.copy(file(original), file(copy))

    def pruned(self, live: LiveTrial, epoch: int) -> events.Ended:
        """PRUNED; its value is its last report, as Optuna has it."""
        failpoint("pruning decided")
        reason = f"{PRUNER_REASON} {epoch} of {live.config.epochs}"
        return self._tell(live.trial, TrialState.PRUNED, None, reason, live.usage)

    def left_paused(self, paused: FrozenTrial, epochs: int) -> events.Ended:
        """PRUNED: the study is met, and nobody goes on with it."""
        reason = f"{PRUNER_REASON} {paused.last_step} of {epochs}: paused, others went on"
        trial = Trial(self._study, trial_id(paused))
        ended = self._tell(trial, TrialState.PRUNED, None, reason)
        failpoint("paused told")
        return ended

    def diverged(self, live: LiveTrial, news: Diverged) -> events.Ended:
        """PRUNED with NaN as its last report: the sampler learns from it."""
        if news.epoch not in reported_values(live.trial):
            live.trial.report(math.nan, news.epoch)
            failpoint("divergence reported")
        return self._tell(live.trial, TrialState.PRUNED, None, news.reason, live.usage)

    def out_of_memory(self, trial: Trial, news: OutOfMemory) -> events.Ended:
        """PRUNED with a constraint, so that the sampler turns away."""
        self._constrain(trial, "memory")
        return self._tell(trial, TrialState.PRUNED, None, f"out_of_memory: {news.reason}")

    def invalid(self, trial: Trial, fault: str) -> events.Ended:
        """FAIL: values outside the space have nothing to teach the sampler."""
        return self._tell(trial, TrialState.FAIL, None, f"infeasible: {fault}")

    def infeasible(self, trial: Trial, rule: str) -> events.Ended:
        """PRUNED with a constraint: a combination of values that makes no sense."""
        self._constrain(trial, "feasible")
        return self._tell(trial, TrialState.PRUNED, None, f"infeasible: {rule}")

    def failed(self, trial: Trial, news: Failed) -> events.Ended:
        """FAIL, which teaches the sampler nothing; its traceback goes into the trial's folder."""
        self._keep_traceback(trial.number, news.traceback)
        return self._tell(trial, TrialState.FAIL, None, news.reason)

    def _constrain(self, trial: Trial, key: str) -> None:
        if key not in trial.constraints:
            trial.set_constraint(key, 1.0)
            failpoint("constraint recorded")

    def _tell(
        self,
        trial: Trial,
        state: TrialState,
        value: float | None,
        reason: str,
        figures: Mapping[str, Any] | None = None,
    ) -> events.Ended:
        with one_commit(storage_of(self._study)):
            for name, figure in {**(figures or {}), "reason": reason}.items():
                trial.set_user_attr(name, figure)
            failpoint("reason recorded")
            self._study.tell(trial, value, state)
        failpoint("trial told")
        params = dict(trial.params)
        return events.Ended(trial.number, state.name, reason, params, self._metric, value)

    def _keep_traceback(self, number: int, text: str) -> None:
        path = self._folder.failure(number)
        try:
            if text:
                self._files.write(path, text.encode())
        except OSError as error:  # a full disk must not take the other trials along
            self._observe(events.Note(f"cannot write {path}: {error}", warning=True))
