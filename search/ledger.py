"""The ledger: the only one that asks the study, reports to it, decides and tells.

It never imports Ray. What happens is announced to an observer, for the terminal and the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import Trial, TrialState

from search import events
from search.claims import Claims
from search.database import one_commit
from search.errors import SearchError
from search.failing import common_failure
from search.layout import StudyFolder
from search.lease import Lease
from search.messages import (
    Blocked,
    Completed,
    Diverged,
    Ending,
    EpochDone,
    Failed,
    OutOfMemory,
    Task,
)
from spaces.space import ScaledSpace
from trainers.config import TrainConfig
from trainers.faults import fault_point
from trainers.rules import ConfigError

REASON = "reason"
OBJECTIVE = "val_top1"


@dataclass(frozen=True)
class Plan:
    """What every trial of a study shares."""

    space: ScaledSpace
    distributions: Mapping[str, BaseDistribution]
    n_trials: int
    execution: Mapping[str, Any]
    data_folder: Path
    folder: StudyFolder


@dataclass
class LiveTrial:
    """A trial at work here: Optuna's handle, and what was decided of it."""

    trial: Trial
    config: TrainConfig
    epoch: int = 0
    best: float = -math.inf
    pruned: bool = False
    usage: Mapping[str, float] | None = None
    decided: int = 0


class Ledger:
    """Hands out tasks, takes in epochs and endings; each trial is told once.

    All of it may be called again with the same news: an epoch that was reported and a trial that
    was told are left as they are.
    """

    def __init__(
        self, study: Study, plan: Plan, lease: Lease, observe: Callable[[events.Event], None]
    ):
        self.study = study
        self.plan = plan
        self.claims = Claims(study, lease, plan.space, plan.distributions)
        self.observe = observe
        self.live: dict[int, LiveTrial] = {}
        self.closed = False
        self.hurry: Callable[[], bool] = lambda: False  # whether the search is asked to stop

    # -- asking ------------------------------------------------------------------------------

    def next_task(self) -> Task | None:
        """The next trial to train: one that a dead driver left, else a new one; None when the
        study has its total (then ``is_met`` tells whether others still work on it)."""
        while not self.closed:
            trial, begun = self.claims.claim(self.plan.n_trials, self.live)
            if trial is None:
                return None
            if begun:
                last = max(self._values(trial), default=0)
                self.observe(events.TakenUp(trial.number, last))
            task = self._begin(trial)
            if task is not None:
                return task
        return None

    def _begin(self, trial: Trial) -> Task | None:
        """The task of a claimed trial; None when it ends without training."""
        fault = self.claims.fault(trial)
        if fault:  # FAIL: values outside the space have nothing to teach the sampler
            self._tell(trial, TrialState.FAIL, None, f"infeasible: {fault}")
            return None
        try:
            config = TrainConfig.from_mapping({**self.plan.space.recipe, **trial.params})
        except ConfigError as error:
            self._end_infeasible(trial, str(error))
            return None
        broken = self.plan.space.broken_constraint(trial.params)
        if broken:
            self._end_infeasible(trial, broken)
            return None
        live = self._recall(trial, config)
        self.observe(events.Started(trial.number, trial.params, config.epochs, live.epoch))
        diverged = any(map(math.isnan, self._values(trial).values()))  # the worker finds it again
        if live.epoch and not diverged and self._decide(live):
            self._end_pruned(live)
            return None
        self.live[trial.number] = live  # last: until here, asking again takes it up again
        return Task(
            number=trial.number,
            config=config.to_dict(),
            execution=self.plan.execution,
            data_folder=str(self.plan.data_folder),
            folder=str(self.plan.folder.trial(trial.number)),
            reported=live.epoch,
        )

    def _recall(self, trial: Trial, config: TrainConfig) -> LiveTrial:
        """What the study has of a trial: nothing of a new one. A NaN is not an epoch but a
        divergence that was not told yet; the worker will find it again."""
        values = {step: v for step, v in self._values(trial).items() if not math.isnan(v)}
        return LiveTrial(
            trial, config, max(values, default=0), max(values.values(), default=-math.inf)
        )

    def _values(self, trial: Trial) -> dict[int, float]:
        return self.study._storage.get_trial(trial._trial_id).intermediate_values

    # -- reporting ---------------------------------------------------------------------------

    def report(self, number: int, news: EpochDone) -> bool:
        """One epoch of a live trial. True: go on; False: the trial was pruned and is told."""
        with self._unless_told_elsewhere(number):
            live = self.live.get(number)
            return live is not None and self._report(live, news)
        return False

    def _report(self, live: LiveTrial, news: EpochDone) -> bool:
        number = live.trial.number
        epoch, value = int(news.result["epoch"]), float(news.result[OBJECTIVE])
        if epoch <= live.epoch and live.decided == live.epoch:
            return True
        if math.isnan(value):
            self._end(live, Diverged(f"diverged in epoch {epoch}: {OBJECTIVE} is nan", epoch))
            return False
        if epoch > live.epoch:
            live.trial.report(value, epoch)
            fault_point("epoch reported")
            live.epoch, live.usage = epoch, news.usage
            live.best = max(live.best, value)
            self.observe(events.Epoch(number, epoch, live.config.epochs, value, news.result))
        if self._decide(live):
            self._end_pruned(live)
            return False
        return True

    def _decide(self, live: LiveTrial) -> bool:
        """Asks the pruner about the last epoch. The recipe's own trial always runs to its end:
        it is what the others are compared with."""
        last = live.epoch >= live.config.epochs
        prune = live.trial.number != 0 and not last and live.trial.should_prune()
        if not prune:
            live.decided = live.epoch
        return prune

    # -- ending ------------------------------------------------------------------------------

    def end(self, number: int, ending: Ending) -> None:
        """The ending of a live trial; of any other it is old news."""
        with self._unless_told_elsewhere(number):
            live = self.live.get(number)
            if live is not None:
                self._end(live, ending)

    @contextmanager
    def _unless_told_elsewhere(self, number: int) -> Iterator[None]:
        """Optuna's own command line and notebooks may end a trial that is trained here."""
        try:
            yield
        except UpdateFinishedTrialError:
            self.live.pop(number, None)
            self.observe(events.Note(f"trial {number} was ended by another program", warning=True))

    def _end(self, live: LiveTrial, ending: Ending) -> None:
        if isinstance(ending, Completed) and not live.epoch:
            ending = Failed("completed without an epoch")
        if isinstance(ending, Completed):
            figures = {"best_epoch": self._best_epoch(live), **ending.figures}
            self._tell(live.trial, TrialState.COMPLETE, live.best, "completed", figures)
        elif isinstance(ending, Diverged):
            if ending.epoch not in self._values(live.trial):
                live.trial.report(math.nan, ending.epoch)
                fault_point("divergence reported")
            self._tell(live.trial, TrialState.PRUNED, None, ending.reason, live.usage)
        elif isinstance(ending, OutOfMemory):
            self._constrain(live.trial, "memory")
            self._tell(live.trial, TrialState.PRUNED, None, f"out_of_memory: {ending.reason}")
        elif isinstance(ending, Failed):
            self._keep_traceback(live.trial.number, ending.traceback)
            self._tell(live.trial, TrialState.FAIL, None, ending.reason)
            self._stop_if_all_fail()
        elif isinstance(ending, Blocked):
            self.close()
            raise SearchError(
                f"trial {live.trial.number} cannot go on: {ending.reason}; "
                "what was recorded is kept, the same command goes on"
            )

    def _stop_if_all_fail(self) -> None:
        reason = common_failure(self.study.get_trials(deepcopy=False))
        if reason:
            self.close()
            raise SearchError(
                f"all trials so far failed for the same reason: {reason}; see "
                f"{self.plan.folder.failure(0)}; the same command tries the next one"
            )

    def _best_epoch(self, live: LiveTrial) -> int:
        values = self._values(live.trial)
        return min(epoch for epoch, value in values.items() if value == live.best)

    def _end_pruned(self, live: LiveTrial) -> None:
        fault_point("pruning decided")
        reason = f"pruned at epoch {live.epoch} of {live.config.epochs}"
        self._tell(live.trial, TrialState.PRUNED, None, reason, live.usage)

    def _end_infeasible(self, trial: Trial, rule: str) -> None:
        self._constrain(trial, "feasible")
        self._tell(trial, TrialState.PRUNED, None, f"infeasible: {rule}")

    def _constrain(self, trial: Trial, key: str) -> None:
        """Told as a constraint, so that the sampler turns away; FAIL would teach it nothing."""
        if key not in trial.constraints:
            trial.set_constraint(key, 1.0)
            fault_point("constraint recorded")

    def _tell(
        self,
        trial: Trial,
        state: TrialState,
        value: float | None,
        reason: str,
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        with one_commit(self.study._storage):
            for name, figure in (figures or {}).items():
                trial.set_user_attr(name, figure)
                fault_point("figure recorded")
            trial.set_user_attr(REASON, reason)
            fault_point("reason recorded")
            self.study.tell(trial, value, state)
        fault_point("trial told")
        self.live.pop(trial.number, None)
        self.observe(events.Ended(trial.number, state.name, value, reason, dict(trial.params)))

    def _keep_traceback(self, number: int, text: str) -> None:
        path = self.plan.folder.failure(number)
        try:
            if text:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        except OSError as error:  # a full disk must not take the other trials along
            self.observe(events.Note(f"cannot write {path}: {error}", warning=True))

    # -- closing -----------------------------------------------------------------------------

    def is_met(self) -> bool:
        """Whether the study has its total and nothing of it is running anywhere."""
        trials = self.study.get_trials(deepcopy=False)
        ended = sum(trial.state.is_finished() for trial in trials)
        return ended >= self.plan.n_trials and not any(
            trial.state == TrialState.RUNNING for trial in trials
        )

    def let_go(self, number: int) -> None:
        """The trial's worker is gone: it is handed out again, from its last epoch."""
        self.live.pop(number, None)

    def close(self) -> None:
        """No more news is taken: what is live stays RUNNING, for the next driver to take up."""
        self.closed = True
        self.live.clear()
