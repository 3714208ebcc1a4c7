"""The trial runner: the only one that asks the study for trials, reports to it and finishes them.

``ask`` hands out a task, ``report`` takes in an epoch, ``finish`` an ending. The runner never
imports Ray. What happens is announced to an observer, for the terminal and the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.common.errors import SearchError
from search.record.trials import (
    CONTINUES,
    COPY_OF,
    NODE,
    PAUSED,
    REASON,
    TARGET,
    TRAINED_ON,
    answer_for,
    common_failure,
    is_paused,
)
from search.settings.plan import TrialPlan
from search.storage.database import database_of, one_commit
from search.storage.lease import Lease
from search.storage.optuna_internals import forget_report, reported_values, storage_of
from search.storage.paused_trials import PausedTrials
from search.strategy.distributions import enqueued_fault
from search.strategy.promotion import Pause, Step
from search.study import events
from search.study.acquire import Claim, Claims
from search.study.decisions import AfterEpoch, Decisions
from search.study.finish import Finisher
from search.study.messages import Blocked, Diverged, Ending, EpochDone, OutOfMemory, Task
from search.study.retention import Retention
from search.study.running_trials import LiveTrial, RunningTrials
from trainers.config import Config, config_from_mapping
from trainers.failpoints import failpoint
from trainers.metrics import METRICS
from trainers.validators import ConfigError

Outcome = events.Ended | events.Paused  # where a trial does not continue


@dataclass(frozen=True)
class Conditions:
    """Under which trials are trained: whether to stop now, the seconds that are left (None: no
    end), and whether trials at work here may share a GPU."""

    should_stop: Callable[[], bool] = lambda: False
    seconds_left: Callable[[], float | None] = lambda: None
    shares_gpus: bool = True


class TrialRunner:
    """Hands out tasks, takes in epochs and endings; each trial is finished once.

    All of it may be called again with the same news: an epoch that was reported and a trial that
    was finished are left as they are. A trial that another driver took over is let go before
    anything is recorded.
    """

    def __init__(
        self,
        study: Study,
        plan: TrialPlan,
        lease: Lease,
        observe: Callable[[events.Event], None],
        claims: Claims | None = None,
        retention: Retention | None = None,
    ):
        self.study = study
        self.plan = plan
        self.observe = observe
        self.closed = False
        self.out_of_time = False  # nothing fits into the time that is left
        self._conditions = Conditions()
        self._metric = METRICS[plan.objectives[0]]
        self._claims = claims or Claims(study, lease, plan)
        self._decisions = Decisions(study, plan, self._claims.may_start)
        self._finisher = Finisher(study, self._metric, plan.folder, observe)
        self._retention = retention or Retention(plan, study.directions[0])
        self._running = RunningTrials()
        database = database_of(storage_of(study))
        if self._decisions.pauses and database:
            database.keep_paused(PausedTrials(is_paused, TARGET))

    def train_under(self, conditions: Conditions) -> None:
        """Set the conditions; to be called before the first task is asked for."""
        self._conditions = conditions
        self._decisions.seconds_left = conditions.seconds_left

    @property
    def live(self) -> dict[int, LiveTrial]:
        """Trials at work here, by number."""
        return self._running.live

    def should_stop(self) -> bool:
        return self._conditions.should_stop()

    # -- asking ------------------------------------------------------------------------------

    def ask(self, workers: int = 1) -> Task | None:
        """Returns the next trial to train, of ``workers`` at once: one that a dead driver left,
        else one that is promoted, or a new one. None when the study has its total (then ``is_met``
        tells whether others still work on it) or what comes next hangs on others."""
        self._decisions.workers = workers
        if self._running.must_empty(self.study):
            return None
        while not (self.closed or self.should_stop()):
            claim = self._claim()
            self.observe(events.Standing(claim.trials, self._metric))
            self._retention.sweep(claim.others())
            if claim.trial is None:
                if claim.step is Pause.DONE:
                    self._finish_paused()
                return None
            self._announce(claim, claim.trial)
            task = self._begin(claim.trial, claim.trials)
            if task is not None:
                return task
        return None

    def _claim(self) -> Claim:
        """Returns a trial that is now this driver's, if one is left."""
        claims, decisions = self._claims, self._decisions
        with claims.alone():
            trials = self.study.get_trials(deepcopy=False)
            left = claims.left_behind(trials, self._running.numbers(), decisions.pauses)
            if left is not None:
                return Claim(left, trials, left_behind=True)
            step = decisions.next_step(trials)
            if isinstance(step, Pause):
                return Claim(None, trials, step)
            if step and step.number is not None:
                return Claim(claims.resume(trials[step.number], step.target), trials, step)
            return Claim(claims.start(trials), trials, step)

    def _announce(self, claim: Claim, trial: Trial) -> None:
        """Says which trial continues; a new one is announced when it starts."""
        last = max(reported_values(trial), default=0)
        if isinstance(claim.step, Step) and claim.step.number is not None:
            continues = None if claim.step.number == trial.number else claim.step.number
            self.observe(events.Promoted(trial.number, last, claim.step.target, continues))
        elif claim.left_behind and not self._running.has_waited(trial.number):
            self.observe(events.Resumed(trial.number, last))

    def _begin(self, trial: Trial, trials: Sequence[FrozenTrial]) -> Task | None:
        """Returns the task of a claimed trial; None when it ends without training, or waits for
        another of the same configuration."""
        config = self._config_of(trial, trials)
        if isinstance(config, events.Ended):
            self._over(config)
            return None
        if self._running.waits_for_twin(trial.number, config):
            return None
        live = LiveTrial.recall(trial, config, self._metric)
        self._retention.take_over(trial)
        self.observe(events.Started(trial.number, trial.params, config.epochs, live.epoch))
        if self._decisions.pauses:
            self._set_first_target(live)
        if trial.user_attrs.get(COPY_OF) is not None:
            trial.set_user_attr(COPY_OF, None)  # a copy that was cut off is trained after all
        if outcome := self._make_up(live):
            self._over(outcome)
            return None
        self.live[trial.number] = live  # last: until here, asking again resumes it
        return live.task(self.plan, self._running.runs_alone(trial.number))

    def _config_of(self, trial: Trial, trials: Sequence[FrozenTrial]) -> Config | events.Ended:
        """Returns what ``trial`` is to train; how it ended where that breaks a rule, or is on
        record."""
        space = self.plan.space
        if fault := enqueued_fault(trial, space):
            return self._finisher.invalid(trial, fault)
        try:
            config = config_from_mapping(space.setting(trial.params))
        except ConfigError as error:
            return self._finisher.infeasible(trial, str(error))
        if broken := space.broken_constraint(trial.params):
            return self._finisher.infeasible(trial, broken)
        pruned = CONTINUES not in trial.user_attrs and self._decisions.is_prunable(trial)
        answer = answer_for(trial.params, trials, pruned, trial.number)
        if answer and reported_values(trial).keys() <= answer.intermediate_values.keys():
            return self._finisher.copied(trial, answer)
        return config

    def _set_first_target(self, live: LiveTrial) -> None:
        """Records where a trial that begins is to pause first: known before its worker begins."""
        if TARGET not in live.trial.user_attrs:
            live.trial.set_user_attr(TARGET, self._decisions.first_target(live))
            failpoint("target recorded")
        live.target = live.trial.user_attrs[TARGET]

    def _make_up(self, live: LiveTrial) -> Outcome | None:
        """Decides about the last report, where a crash may have come between the two."""
        one_write = database_of(storage_of(self.study)) is not None
        undecided = live.epoch > 0 and not live.diverged and not one_write
        return self._decide(live, live.epoch) if undecided else None

    def retry_failed(self) -> None:
        """Lets every failed trial be tried again, as a new trial of the same parameters."""
        numbers = self._claims.retry_failed()
        text = f"tried again as new trials: {', '.join(map(str, numbers))}"
        self.observe(events.Note(text if numbers else "no failed trial is left to try again"))

    # -- reporting ---------------------------------------------------------------------------

    def began(self, number: int, node: str, device_kind: str = "") -> None:
        """Note that a worker is at a live trial, on ``node`` of a cluster; "" where there is
        none."""
        live = self._mine(number) if node else None
        if live is not None:
            here = [live.epoch, node, device_kind]
            before = live.trial.user_attrs.get(TRAINED_ON, [])
            if here not in before:  # said again after a lost connection
                live.trial.set_user_attr(TRAINED_ON, [*before, here])
            live.trial.set_user_attr(NODE, node)

    def device_kind(self) -> str:
        """Returns on which the study's first trial was trained; "" where none says so."""
        trials = self.study.get_trials(deepcopy=False)
        began = (t.user_attrs[TRAINED_ON][0] for t in trials if TRAINED_ON in t.user_attrs)
        return str(next(began, (0, "", ""))[2])

    def report(self, number: int, news: EpochDone) -> bool:
        """Takes in one epoch of a live trial. True: it continues; False: it was pruned and is
        finished, it pauses, or it is no longer trained here."""
        with self._unless_finished_elsewhere(number):
            live = self._mine(number)
            return live is not None and self._report(live, news)
        return False

    def _report(self, live: LiveTrial, news: EpochDone) -> bool:
        number = live.trial.number
        epoch, value = int(news.result["epoch"]), float(news.result[self._metric.name])
        if epoch <= live.epoch:
            return True
        if not math.isfinite(value):
            reason = f"diverged in epoch {epoch}: {self._metric.label} is {value:g}"
            self._finish(live, Diverged(reason, epoch))
            return False
        live.usage = news.usage
        outcome = self._record(live, epoch, value)
        live.add(epoch, value)
        epochs = live.config.epochs
        self.observe(events.Epoch(number, epoch, epochs, value, self._metric, news.result))
        if outcome:
            self._over(outcome)
        return outcome is None

    def _record(self, live: LiveTrial, epoch: int, value: float) -> Outcome | None:
        """Reports, decides and, if pruned, finishes: in one commit, so that no crash comes between.
        Returns None where the trial continues."""
        target = live.target
        try:
            with one_commit(storage_of(self.study)):
                live.trial.report(value, epoch)
                failpoint("epoch reported")
                return self._decide(live, epoch)
        except BaseException:
            forget_report(live.trial, epoch)
            live.target = target
            raise

    def _decide(self, live: LiveTrial, epoch: int) -> Outcome | None:
        decision = self._decisions.after_epoch(live, epoch)
        if decision is AfterEpoch.PRUNE:
            return self._finisher.pruned(live, epoch)
        if decision is AfterEpoch.PAUSE:
            for name, figure in {**(live.usage or {}), PAUSED: epoch}.items():
                live.trial.set_user_attr(name, figure)
            failpoint("paused")
            return events.Paused(live.trial.number, epoch, live.config.epochs)
        if isinstance(decision, Step):  # promoted at once
            live.trial.set_user_attr(TARGET, decision.target)
            failpoint("target recorded")
            live.target = decision.target
        return None

    # -- finishing ---------------------------------------------------------------------------

    def finish(self, number: int, ending: Ending) -> None:
        """Takes in the ending of a live trial; of any other it is old news."""
        with self._unless_finished_elsewhere(number):
            live = self._mine(number)
            if live is not None:
                self._finish(live, ending)

    def _mine(self, number: int) -> LiveTrial | None:
        """Returns a live trial; None where it is not, or another driver took it over."""
        live = self.live.get(number)
        if live is None or not self._claims.is_lost(live.trial):
            return live
        self._running.remove(number)
        text = f"trial {number} was taken over by another driver"
        self.observe(events.Note(text, warning=True))
        return None

    @contextmanager
    def _unless_finished_elsewhere(self, number: int) -> Iterator[None]:
        """Run the block unless the trial was finished elsewhere: Optuna's own command line and
        notebooks may end a trial that is trained here."""
        try:
            yield
        except UpdateFinishedTrialError:
            self._running.remove(number)
            self.observe(events.Note(f"trial {number} was ended by another program", warning=True))

    def _finish(self, live: LiveTrial, ending: Ending) -> None:
        number = live.trial.number
        if isinstance(ending, Blocked):
            self.close()
            raise SearchError(
                f"trial {number} cannot continue: {ending.reason}; "
                "what was recorded is kept; rerun to resume"
            )
        if isinstance(ending, OutOfMemory) and self._may_be_a_victim(number, ending):
            self._running.run_alone(number)
            text = f"trial {number}: {ending.reason}; tried once more, alone"
            self.observe(events.Note(text, warning=True))
            return
        ended = self._finisher.finish(live, ending)
        self._over(ended)
        if ended.state == TrialState.FAIL.name:
            self._stop_if_all_fail()

    def _may_be_a_victim(self, number: int, ending: OutOfMemory) -> bool:
        """Returns whether other trials may have taken the memory, or a GPU's was shared out between
        them: then a trial has its share and no more, also while no other is at work."""
        if ending.device:
            return self._conditions.shares_gpus and not self._running.runs_alone(number)
        return not self._running.is_alone(number)

    def _over(self, outcome: Outcome) -> None:
        """Take note that a worker's trial has finished, or pauses."""
        self._running.remove(outcome.number)
        self.observe(outcome)

    def _stop_if_all_fail(self) -> None:
        """Stop if all trials fail: all so far, from the fifth on; later the last ten, whatever came
        before."""
        alike = common_failure(self.study.get_trials(deepcopy=False))
        if alike:
            self.close()
            first, count = alike
            raise SearchError(
                f"the last {count} trials failed for the same reason: {first.user_attrs[REASON]}"
                f"; see {self.plan.folder.failure(first.number)}; rerun to try the next"
            )

    def _finish_paused(self) -> None:
        """Finish what is still paused when the rule says that nothing is left to do, unless only
        the time of this run is over."""
        with self._claims.alone():
            trials = self.study.get_trials(deepcopy=False)
            paused = [trial for trial in trials if trial.state == TrialState.RUNNING]
            if not all(map(is_paused, paused)):
                return
            if not self._decisions.has_nothing_left(trials):
                self.out_of_time = True
                return
            ended = [self._finisher.left_paused(trial, self._length(trial)) for trial in paused]
        for each in ended:
            self._over(each)
        self.remove_leftovers()

    def _length(self, trial: FrozenTrial) -> int:
        """Returns the epochs of a trial's whole training."""
        return int({**self.plan.space.baseline, **trial.params}["epochs"])

    # -- closing -----------------------------------------------------------------------------

    def is_met(self) -> bool:
        """Returns whether the study has its total and nothing of it is running anywhere."""
        trials = self.study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.RUNNING for trial in trials):
            return False
        if self._decisions.pauses:
            return self._decisions.has_nothing_left(trials)
        return self._claims.has_total(trials)

    def release(self, number: int) -> None:
        """Release a trial on which nobody here works any more; one that was not finished is handed
        out again, from its last epoch."""
        self.live.pop(number, None)

    def keep_lease(self) -> None:
        """Shows the other drivers that this one lives; to be called often."""
        self._claims.keep()

    def remove_leftovers(self) -> None:
        """Removes files that no trial can use any more."""
        self._retention.sweep(self.study.get_trials(deepcopy=False))

    def close(self) -> None:
        """Take no more news: what is live stays RUNNING, for the next driver to resume."""
        self.closed = True
        self._running.clear()
