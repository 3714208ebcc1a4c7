"""The ledger: the only one that asks the study, reports to it, decides and tells.

It never imports Ray. What happens is announced to an observer, for the terminal and the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import NopPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.common.errors import SearchError
from search.ledger import events
from search.ledger.claims import Claims, record_step
from search.ledger.endings import Endings
from search.ledger.leftovers import Leftovers
from search.ledger.live_trial import LiveTrial, recall
from search.ledger.messages import (
    Blocked,
    Completed,
    Diverged,
    Ending,
    EpochDone,
    Failed,
    OutOfMemory,
    Task,
)
from search.ledger.promoting import Promotion
from search.planning.plan import TrialPlan
from search.record.trials import (
    DIVERGED_REASON,
    PAUSED,
    TARGET,
    answer_for,
    common_failure,
    counted,
    is_paused,
)
from search.storage.database import database_of, one_commit
from search.storage.lease import Lease
from search.storage.optuna_internals import forget_report, reported_values, storage_of
from search.strategy.grid import towards_total
from search.strategy.promotion import Pause, PromotionPruner, Step
from trainers.config import TrainConfig
from trainers.failpoints import failpoint
from trainers.metrics import METRICS
from trainers.rules import ConfigError

Outcome = events.Ended | events.Paused  # of a report, where the trial does not go on


class Ledger:
    """Hands out tasks, takes in epochs and endings; each trial is told once.

    All of it may be called again with the same news: an epoch that was reported and a trial that
    was told are left as they are.
    """

    def __init__(
        self, study: Study, plan: TrialPlan, lease: Lease, observe: Callable[[events.Event], None]
    ):
        self.study = study
        self.plan = plan
        self.claims = Claims(study, lease, plan.space, plan.distributions)
        self.metric = METRICS[plan.objectives[0]]
        self.endings = Endings(study, self.metric, plan.folder, observe)
        self.leftovers = Leftovers(plan.folder, plan.keep_weights, study.directions[0])
        self.observe = observe
        pruner = study.pruner
        self.promotion = (
            Promotion(pruner.rule, plan) if isinstance(pruner, PromotionPruner) else None
        )
        self.live: dict[int, LiveTrial] = {}
        self.closed = False
        self.out_of_time = False  # nothing fits into the time that is left
        self.should_stop: Callable[[], bool] = lambda: False
        self.shares_gpus = True  # whether trials at work here may use one GPU together
        self._to_run_alone: set[int] = set()
        self._waiting: dict[int, int] = {}  # for another trial of the same configuration

    # -- asking ------------------------------------------------------------------------------

    def next_task(self) -> Task | None:
        """The next trial to train: one that a dead driver left, else one that goes on after a
        pause or a new one; None when the study has its total (then ``is_met`` tells whether others
        still work on it) or what comes next hangs on others."""
        if self._to_run_alone:  # unless another program ended it
            running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            self._to_run_alone &= {trial.number for trial in running}
        if self._to_run_alone and self.live:
            return None  # one of them runs as soon as nobody else does, and stays alone
        while not (self.closed or self.should_stop()):
            waiting = {number for number, twin in self._waiting.items() if twin in self.live}
            decide = self.promotion.decide if self.promotion else None
            claim = self.claims.claim(self.plan.n_trials, self.live.keys() | waiting, decide)
            self.observe(events.Standing(claim.trials, self.metric))
            self.leftovers.sweep(claim.trials)
            trial = claim.trial
            if trial is None:
                if claim.decision is Pause.DONE:
                    self._finish()
                return None
            if isinstance(claim.decision, Step) and claim.decision.number is not None:
                last = max(reported_values(trial))
                self.observe(events.Promoted(trial.number, last, claim.decision.target))
            if claim.resumed and trial.number not in self._waiting:
                last = max(reported_values(trial), default=0)
                self.observe(events.Resumed(trial.number, last))
            task = self._begin(trial, claim.trials)
            if task is not None:
                return task
        return None

    def _begin(self, trial: Trial, trials: Sequence[FrozenTrial]) -> Task | None:
        """The task of a claimed trial; None when it ends without training, or waits for another
        of the same configuration."""
        config = self._config_of(trial, trials)
        if isinstance(config, events.Ended):
            self._over(config)
            return None
        for number, other in self.live.items():
            if other.config == config:
                self._waiting[trial.number] = number
                return None
        live = recall(trial, config, self.metric)
        self.observe(events.Started(trial.number, trial.params, config.epochs, live.epoch))
        if self.promotion:
            self._set_target(live, self.promotion)
        if self._is_undecided(live) and (outcome := self._decide(live, live.epoch)):
            self._leave(outcome)
            return None
        self.live[trial.number] = live  # last: until here, asking again resumes it
        return Task(
            number=trial.number,
            config=config.to_dict(),
            execution=self.plan.execution.to_dict(),
            data_folder=str(self.plan.data_folder),
            folder=str(self.plan.folder.trial(trial.number)),
            reported=live.epoch,
        )

    def _config_of(self, trial: Trial, trials: Sequence[FrozenTrial]) -> TrainConfig | events.Ended:
        """What ``trial`` is to train; how it ended where that breaks a rule, or is on record."""
        rule = self.claims.rule_broken(trial)
        if rule:
            return self.endings.invalid(trial, rule)
        try:
            config = TrainConfig.from_mapping({**self.plan.space.recipe, **trial.params})
        except ConfigError as error:
            return self.endings.infeasible(trial, str(error))
        broken = self.plan.space.broken_constraint(trial.params)
        if broken:
            return self.endings.infeasible(trial, broken)
        answer = answer_for(trial.params, trials, self._is_prunable(trial), trial.number)
        if answer and reported_values(trial).keys() <= answer.intermediate_values.keys():
            return self.endings.copied(trial, answer)
        return config

    def retry_failed(self) -> None:
        """Lets every failed trial be tried again, as a new trial of the same parameters."""
        numbers = self.claims.retry_failed()
        text = f"tried again as new trials: {', '.join(map(str, numbers))}"
        self.observe(events.Note(text if numbers else "no failed trial is left to try again"))

    # -- reporting ---------------------------------------------------------------------------

    def report(self, number: int, news: EpochDone) -> bool:
        """One epoch of a live trial. True: go on; False: the trial was pruned and is told, or it
        pauses."""
        with self._unless_told_elsewhere(number):
            live = self.live.get(number)
            return live is not None and self._report(live, news)
        return False

    def _report(self, live: LiveTrial, news: EpochDone) -> bool:
        number = live.trial.number
        epoch, value = int(news.result["epoch"]), float(news.result[self.metric.name])
        if epoch <= live.epoch:
            return True
        if not math.isfinite(value):
            reason = f"{DIVERGED_REASON} {epoch}: {self.metric.label} is {value:g}"
            self._end(live, Diverged(reason, epoch))
            return False
        live.usage = news.usage
        outcome = self._settle(live, epoch, value)
        live.add(epoch, value)
        epochs = live.config.epochs
        self.observe(events.Epoch(number, epoch, epochs, value, self.metric, news.result))
        if outcome:
            self._leave(outcome)
        return outcome is None

    def _settle(self, live: LiveTrial, epoch: int, value: float) -> Outcome | None:
        """Reports, decides and, if pruned, tells: in one commit, so that no crash comes between."""
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
        """What becomes of a trial after its last epoch; None: it goes on."""
        if self.promotion:
            return self._pause(live, epoch, self.promotion)
        return self.endings.pruned(live, epoch) if self._prunes(live, epoch) else None

    def _pause(self, live: LiveTrial, epoch: int, promotion: Promotion) -> events.Paused | None:
        """At its target a trial pauses, unless it would be the next to go on anyway."""
        number, epochs = live.trial.number, live.config.epochs
        if live.target is None or epoch < live.target or epoch >= epochs:
            return None
        trials = self.study.get_trials(deepcopy=False)
        may_start = self.claims.may_start(self.plan.n_trials, trials)
        step = promotion.decide(trials, may_start, asking=number)
        if isinstance(step, Step) and step.number == number:
            record_step(live.trial, step, epoch)
            live.target = step.target
            return None
        for name, figure in {**(live.usage or {}), PAUSED: epoch}.items():
            live.trial.set_user_attr(name, figure)
        failpoint("paused")
        return events.Paused(number, epoch, epochs)

    def _set_target(self, live: LiveTrial, promotion: Promotion) -> None:
        """Where a trial that begins is to pause first: known before its worker begins."""
        if TARGET not in live.trial.user_attrs:
            length = live.config.epochs
            first = promotion.rule.next_rung(live.epoch, length)
            live.trial.set_user_attr(TARGET, first if self._is_prunable(live.trial) else length)
            failpoint("target recorded")
        live.target = live.trial.user_attrs[TARGET]

    def _prunes(self, live: LiveTrial, epoch: int) -> bool:
        """Asks the pruner about the last epoch."""
        last = epoch >= live.config.epochs
        return not last and self._is_prunable(live.trial) and live.trial.should_prune()

    def _is_prunable(self, trial: Trial) -> bool:
        """The recipe's own trial always runs to its end: it is what the others are compared
        with."""
        recipe = trial.number == 0 or trial.params == self.plan.space.baseline()
        return not recipe and not isinstance(self.study.pruner, NopPruner)

    def _is_undecided(self, live: LiveTrial) -> bool:
        """Whether a crash may have come between the last report and the pruner's decision."""
        one_write = database_of(storage_of(self.study)) is not None
        return live.epoch > 0 and not live.diverged and not one_write

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
            self._to_run_alone.discard(number)
            self.release(number)
            self.observe(events.Note(f"trial {number} was ended by another program", warning=True))

    def _end(self, live: LiveTrial, ending: Ending) -> None:
        if isinstance(ending, Blocked):
            self.close()
            raise SearchError(
                f"trial {live.trial.number} cannot go on: {ending.reason}; "
                "what was recorded is kept, the same command goes on"
            )
        if isinstance(ending, OutOfMemory) and self._may_be_a_victim(live, ending):
            self._retry_alone(live.trial.number, ending)
            return
        if isinstance(ending, Completed) and not live.epoch:
            ending = Failed("completed without an epoch")
        if isinstance(ending, Completed):
            ended = self.endings.completed(live, ending)
        elif isinstance(ending, Diverged):
            ended = self.endings.diverged(live, ending)
        elif isinstance(ending, OutOfMemory):
            ended = self.endings.out_of_memory(live.trial, ending)
        else:
            ended = self.endings.failed(live.trial, ending)
        self._over(ended)
        if isinstance(ending, Failed):
            self._stop_if_all_fail()

    def _may_be_a_victim(self, live: LiveTrial, ending: OutOfMemory) -> bool:
        """Whether other trials may have taken the memory."""
        alone = len(self.live) == 1 or live.trial.number in self._to_run_alone
        return not alone and (self.shares_gpus or not ending.device)

    def _retry_alone(self, number: int, ending: OutOfMemory) -> None:
        """The trial goes on from its last epoch, once no other is at work here."""
        self._to_run_alone.add(number)
        self.release(number)
        text = f"trial {number}: {ending.reason}; tried once more, alone"
        self.observe(events.Note(text, warning=True))

    def _leave(self, outcome: Outcome) -> None:
        """A worker's trial was told, or pauses."""
        if isinstance(outcome, events.Ended):
            self._over(outcome)
        else:
            self._to_run_alone.discard(outcome.number)
            self.release(outcome.number)
            self.observe(outcome)

    def _over(self, ended: events.Ended) -> None:
        """A trial was told."""
        self._to_run_alone.discard(ended.number)
        self._waiting.pop(ended.number, None)
        self.release(ended.number)
        self.observe(ended)

    def _stop_if_all_fail(self) -> None:
        """All so far, from the fifth on; later the last ten, whatever came before."""
        alike = common_failure(self.study.get_trials(deepcopy=False))
        if alike:
            self.close()
            first, count = alike
            raise SearchError(
                f"the last {count} trials failed for the same reason: {first.user_attrs['reason']}"
                f"; see {self.plan.folder.failure(first.number)}; the same command tries the next"
            )

    # -- closing -----------------------------------------------------------------------------

    def is_met(self) -> bool:
        """Whether the study has its total and nothing of it is running anywhere."""
        trials = self.study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.RUNNING for trial in trials):
            return False
        if self.promotion:
            return self._nothing_left(trials, self.promotion)
        total = counted(towards_total(self.study.sampler, trials))
        return sum(trial.state.is_finished() for trial in total) >= self.plan.n_trials

    def _finish(self) -> None:
        """The rule says that nothing is left to do: what is still paused is told, unless only
        the time of this run is over."""
        assert self.promotion is not None
        with self.claims.claiming():
            trials = self.study.get_trials(deepcopy=False)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            if not all(map(is_paused, running)):
                return
            if not self._nothing_left(trials, self.promotion):
                self.out_of_time = True
                return
            for trial in running:
                self._over(self.endings.left_paused(trial, self.promotion.length(trial)))
        self.leftovers.sweep(self.study.get_trials(deepcopy=False))

    def _nothing_left(self, trials: Sequence[FrozenTrial], promotion: Promotion) -> bool:
        may_start = self.claims.may_start(self.plan.n_trials, trials)
        return promotion.decide(trials, may_start, timed=False) is Pause.DONE

    def release(self, number: int) -> None:
        """Nobody here works on the trial any more; one that was not told is handed out again,
        from its last epoch."""
        self.live.pop(number, None)

    def close(self) -> None:
        """No more news is taken: what is live stays RUNNING, for the next driver to resume."""
        self.closed = True
        self.live.clear()
        self._to_run_alone.clear()
