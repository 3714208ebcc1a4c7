"""The runner: the only one that asks the study, reports to it, decides and tells.

It never imports Ray. What happens is announced to an observer, for the terminal and the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from search.common.errors import SearchError
from search.record.trials import (
    DIVERGED_REASON,
    NODE,
    TARGET,
    TRAINED_ON,
    common_failure,
    is_paused,
)
from search.settings.plan import TrialPlan
from search.storage.database import database_of
from search.storage.lease import Lease
from search.storage.optuna_internals import reported_values, storage_of
from search.storage.paused_trials import PausedTrials
from search.strategy.promotion import Pause, PromotionPruner, Step
from search.study import events
from search.study.acquire import Claims
from search.study.continuation import take_over_files
from search.study.decisions import Decisions, Outcome
from search.study.finish import Endings
from search.study.live_trial import LiveTrial, recall, task_of
from search.study.messages import (
    Blocked,
    Diverged,
    Ending,
    EpochDone,
    OutOfMemory,
    Task,
)
from search.study.promoting import Promotion
from search.study.retention import Leftovers
from search.study.running_trials import InHand
from search.study.validation import Admission
from trainers.metrics import METRICS


class TrialRunner:
    """Hands out tasks, takes in epochs and endings; each trial is told once.

    All of it may be called again with the same news: an epoch that was reported and a trial that
    was told are left as they are.
    """

    def __init__(
        self,
        study: Study,
        plan: TrialPlan,
        lease: Lease,
        observe: Callable[[events.Event], None],
        claims: Claims | None = None,
    ):
        self.study = study
        self.plan = plan
        self.claims = claims or Claims(study, lease, plan)
        self.metric = METRICS[plan.objectives[0]]
        self.endings = Endings(study, self.metric, plan.folder, observe)
        self.leftovers = Leftovers(plan.folder, plan.keep_weights, study.directions[0])
        self.observe = observe
        pruner = study.pruner
        self.promotion = (
            Promotion(pruner.rule, plan) if isinstance(pruner, PromotionPruner) else None
        )
        database = database_of(storage_of(study))
        if self.promotion and database:
            database.keep_paused(PausedTrials(is_paused, TARGET))
        self.admission = Admission(plan.space, self.claims, self.endings)
        self.decisions = Decisions(study, plan, self.claims, self.endings, self.promotion)
        self.in_hand = InHand()
        self.closed = False
        self.out_of_time = False  # nothing fits into the time that is left
        self.should_stop: Callable[[], bool] = lambda: False
        self.shares_gpus = True  # whether trials at work here may use one GPU together

    @property
    def live(self) -> dict[int, LiveTrial]:
        """Trials at work here, by number."""
        return self.in_hand.live

    # -- asking ------------------------------------------------------------------------------

    def next_task(self) -> Task | None:
        """The next trial to train: one that a dead driver left, else one that goes on after a
        pause or a new one; None when the study has its total (then ``is_met`` tells whether others
        still work on it) or what comes next hangs on others."""
        if self.in_hand.must_empty(self.study):
            return None
        while not (self.closed or self.should_stop()):
            decide = self.promotion.decide if self.promotion else None
            claim = self.claims.claim(self.in_hand.numbers(), decide)
            self._let_go(claim.trials)
            self.observe(events.Standing(claim.trials, self.metric))
            self.leftovers.sweep(claim.others())
            trial = claim.trial
            if trial is None:
                if claim.decision is Pause.DONE:
                    self._finish()
                return None
            if isinstance(claim.decision, Step) and claim.decision.number is not None:
                self._promoted(trial, claim.decision)
            if claim.resumed and not self.in_hand.has_waited(trial.number):
                last = max(reported_values(trial), default=0)
                self.observe(events.Resumed(trial.number, last))
            task = self._begin(trial, claim.trials)
            if task is not None:
                return task
        return None

    def _let_go(self, trials: Sequence[FrozenTrial]) -> None:
        """Of what others work on by now."""
        for number in self.in_hand.numbers():
            if self.claims.is_anothers(trials[number]):
                self.in_hand.over(number)
                text = f"trial {number} was taken over by another driver"
                self.observe(events.Note(text, warning=True))

    def _promoted(self, trial: Trial, step: Step) -> None:
        continues = None if step.number == trial.number else step.number
        last = max(reported_values(trial))
        self.observe(events.Promoted(trial.number, last, step.target, continues))

    def _begin(self, trial: Trial, trials: Sequence[FrozenTrial]) -> Task | None:
        """The task of a claimed trial; None when it ends without training, or waits for another
        of the same configuration."""
        prunable = self.decisions.is_prunable(trial)
        config = self.admission.config_of(trial, trials, prunable)
        if isinstance(config, events.Ended):
            self._over(config)
            return None
        if self.in_hand.waits_for_twin(trial.number, config):
            return None
        live = recall(trial, config, self.metric)
        take_over_files(trial, self.plan.folder)
        self.observe(events.Started(trial.number, trial.params, config.epochs, live.epoch))
        self.decisions.set_target(live)
        if outcome := self.decisions.make_up(live):
            self._over(outcome)
            return None
        self.live[trial.number] = live  # last: until here, asking again resumes it
        return task_of(live, self.plan, self.in_hand.runs_alone(trial.number))

    def retry_failed(self) -> None:
        """Lets every failed trial be tried again, as a new trial of the same parameters."""
        numbers = self.claims.retry_failed()
        text = f"tried again as new trials: {', '.join(map(str, numbers))}"
        self.observe(events.Note(text if numbers else "no failed trial is left to try again"))

    # -- reporting ---------------------------------------------------------------------------

    def began(self, number: int, node: str, device_kind: str = "") -> None:
        """A worker is at a live trial, on ``node`` of a cluster; "" where there is none."""
        live = self.live.get(number)
        if live is not None and node:
            here = [live.epoch, node, device_kind]
            before = live.trial.user_attrs.get(TRAINED_ON, [])
            if here not in before:  # told again after a lost connection
                live.trial.set_user_attr(TRAINED_ON, [*before, here])
            live.trial.set_user_attr(NODE, node)

    def device_kind(self) -> str:
        """On which the study's first trial was trained; "" where none says so."""
        trials = self.study.get_trials(deepcopy=False)
        began = (t.user_attrs[TRAINED_ON][0] for t in trials if TRAINED_ON in t.user_attrs)
        return str(next(began, (0, "", ""))[2])

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
        outcome = self.decisions.report(live, epoch, value)
        live.add(epoch, value)
        epochs = live.config.epochs
        self.observe(events.Epoch(number, epoch, epochs, value, self.metric, news.result))
        if outcome:
            self._over(outcome)
        return outcome is None

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
            self.in_hand.over(number)
            self.observe(events.Note(f"trial {number} was ended by another program", warning=True))

    def _end(self, live: LiveTrial, ending: Ending) -> None:
        if isinstance(ending, Blocked):
            self.close()
            raise SearchError(
                f"trial {live.trial.number} cannot go on: {ending.reason}; "
                "what was recorded is kept, the same command goes on"
            )
        if isinstance(ending, OutOfMemory) and self._may_be_a_victim(live, ending):
            self.in_hand.run_alone(live.trial.number)
            text = f"trial {live.trial.number}: {ending.reason}; tried once more, alone"
            self.observe(events.Note(text, warning=True))
            return
        ended = self.endings.told(live, ending)
        self._over(ended)
        if ended.state == TrialState.FAIL.name:
            self._stop_if_all_fail()

    def _may_be_a_victim(self, live: LiveTrial, ending: OutOfMemory) -> bool:
        """Whether other trials may have taken the memory, or a GPU's was shared out between them:
        then a trial has its share and no more, also while no other is at work."""
        number = live.trial.number
        if ending.device:
            return self.shares_gpus and not self.in_hand.runs_alone(number)
        return not self.in_hand.is_alone(number)

    def _over(self, outcome: Outcome) -> None:
        """A worker's trial was told, or pauses."""
        self.in_hand.over(outcome.number)
        self.observe(outcome)

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
            return self.promotion.has_nothing_left(trials, self.claims.may_start(trials))
        return self.claims.has_total(trials)

    def _finish(self) -> None:
        """The rule says that nothing is left to do: what is still paused is told, unless only
        the time of this run is over."""
        assert self.promotion is not None
        with self.claims.claiming():
            trials = self.study.get_trials(deepcopy=False)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            if not all(map(is_paused, running)):
                return
            if not self.promotion.has_nothing_left(trials, self.claims.may_start(trials)):
                self.out_of_time = True
                return
            for trial in running:
                self._over(self.endings.left_paused(trial, self.promotion.length(trial)))
        self.leftovers.sweep(self.study.get_trials(deepcopy=False))

    def release(self, number: int) -> None:
        """Nobody here works on the trial any more; one that was not told is handed out again,
        from its last epoch."""
        self.live.pop(number, None)

    def close(self) -> None:
        """No more news is taken: what is live stays RUNNING, for the next driver to resume."""
        self.closed = True
        self.in_hand.drop_all()
