"""Pause and promote: every trial pauses at the rungs 1, 3, 9, 27, … epochs, the best are promoted.

What share of a rung is promoted follows from how well its order agrees with the next rung's; how
many trials are begun follows from what is left of the budget. The decision is a pure function of
the study's trials and of the limits. ``docs/search.md`` explains the rule and its measurements.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.strategy.rungs import Rungs, TrialView, seconds_per_epoch

ROUNDING = 1e-9
BISECTIONS = 24


@dataclass(frozen=True)
class Limits:
    """What is left to spend, in epochs or, where ``timed``, in seconds of worker time.

    ``left`` is not yet promised to any trial (None: there is no budget), ``lane`` what one worker
    can still spend in a row, ``may_start`` how many new trials may begin.
    """

    may_start: int
    left: float | None = None
    lane: float = math.inf
    workers: int = 1
    timed: bool = False


@dataclass(frozen=True)
class Step:
    """What a free worker does: trains trial ``number`` (None: a new one) to epoch ``target``."""

    number: int | None
    target: int


class Pause(Enum):
    """Why no worker gets a trial. WAIT: the result of running trials decides. DONE: nothing is left
    to do within the limits."""

    WAIT = "wait"
    DONE = "done"


@dataclass(frozen=True)
class PromotionRule:
    """Decides which paused trial is promoted; ``full`` is the number of epochs of a whole training.

    A rung's promoted share is ``spacing ** (-power * agreement)``, ``free_power`` where no
    budget forces a choice; ``early`` is the part of it promoted before all trials have begun.
    Agreement counts as if ``prior_trials`` trials had shown ``prior``.
    """

    full: int
    spacing: int = 3
    power: float = 2.0
    free_power: float = 1.0
    early: float = 0.5
    prior: float = 0.5
    prior_trials: int = 6
    least_share: float = 0.05

    @property
    def rungs(self) -> list[int]:
        below = []
        rung = 1
        while rung < self.full:
            below.append(rung)
            rung *= self.spacing
        return [*below, self.full]

    def next_rung(self, epoch: int, length: int) -> int:
        """Return where a trial of ``length`` epochs that has trained ``epoch`` of them pauses
        next."""
        above = [rung for rung in self.rungs[:-1] if epoch < rung < length]
        return min(above, default=length)

    def shares(self, rungs: Rungs, power: float) -> list[float]:
        """Return the share of each rung but the last that is promoted."""
        found = (
            rungs.agreement(level, self.prior, self.prior_trials) for level in range(rungs.last)
        )
        return [max(self.least_share, self.spacing ** (-power * max(0.0, tau))) for tau in found]

    def decide(self, trials: Sequence[TrialView], limits: Limits) -> Step | Pause:
        """Return what a free worker does now."""
        return self.decide_at(self.rungs_of(trials), limits)

    def rungs_of(self, trials: Iterable[TrialView]) -> Rungs:
        return Rungs(self.rungs, trials)

    def decide_at(self, rungs: Rungs, limits: Limits) -> Step | Pause:
        """Return what ``decide`` would, from rungs that were brought up to date since the last
        decision."""
        decision = _Decision(self, rungs, limits)
        return decision.early() or decision.new() or decision.fill() or decision.rest()


class PromotionPruner(BasePruner):
    """The study's pruner where trials pause. It ends none itself; the runner asks its ``rule``."""

    def __init__(self, rule: PromotionRule):
        self.rule = rule

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return False


def rule_of(pruner: BasePruner) -> PromotionRule | None:
    """Returns the rule by which trials pause and are promoted; None where they do not pause."""
    return pruner.rule if isinstance(pruner, PromotionPruner) else None


class _RungPlan(NamedTuple):
    """The plan for a rung: the ``share`` of the rung below that is promoted to it, what that costs,
    and how many have begun it."""

    share: float
    cost: float
    begun: float


class _Decision:
    """One decision, in steps; each returns None where it does not apply."""

    def __init__(self, rule: PromotionRule, rungs: Rungs, limits: Limits):
        self._rule, self._rungs, self._limits = rule, rungs, limits
        free = limits.left is None
        self._shares = rule.shares(rungs, rule.free_power if free else rule.power)
        self._epoch_cost = (seconds_per_epoch(rungs.trials) if limits.timed else None) or 1.0
        steps = (after - before for before, after in itertools.pairwise([0, *rungs.epochs]))
        self._plans = [
            _RungPlan(share, step * self._epoch_cost, float(rung.begun))
            for share, step, rung in zip([1.0, *self._shares], steps, rungs.rungs, strict=True)
        ]
        self._places = self._without_budget() if limits.left is None else self._plan(limits.left)
        self._best = [self._best_paused(level) for level in range(rungs.last)]
        full_cost = rule.full * self._epoch_cost
        self._can_start = limits.may_start >= 1 and full_cost <= limits.lane + ROUNDING

    def early(self) -> Step | None:
        """Return the trials that are sure to be among the best, whoever may still come; the highest
        rung first."""
        for level in reversed(range(self._rungs.last)):
            best, rung = self._best[level], self._rungs[level]
            sure = int(self._rule.early * self._shares[level] * rung.arrived + ROUNDING)
            one_over = self._rungs[level + 1].begun <= self._places[level + 1]
            if best and self._rungs.rank(level, best) < sure and one_over:
                return self._up(best, level)
        return None

    def new(self) -> Step | None:
        if self._can_start and self._has_place(0):
            return Step(None, self._rule.rungs[0])
        return None

    def fill(self) -> Step | Pause | None:
        """Return trials for the places that are left, from the lowest rung upwards."""
        for level in range(self._rungs.last):
            best = self._best[level]
            if best and self._has_place(level + 1):
                coming = any(self._rungs[k].on_the_way for k in range(level + 1))
                if coming and not self._limits.timed:
                    return Pause.WAIT  # who is on the way here may be better
                return self._up(best, level)
        return None

    def rest(self) -> Step | Pause:
        """Return the highest rung's best, for which no place is planned."""
        running = bool(self._rungs.running)
        if self._limits.left is None:
            return Pause.WAIT if running else self._finish_best()
        for level in reversed(range(self._rungs.last)):
            if best := self._best[level]:
                return self._up(best, level)
        if self._can_start:
            return Step(None, self._rule.rungs[0])
        return Pause.WAIT if running else Pause.DONE

    def _finish_best(self) -> Step | Pause:
        """Return the promotion of the best; without a budget the study is over when the best that
        is known was trained to the end."""
        trials = [t for t in self._rungs.trials if not t.exempt and not t.diverged]
        done = max((t.best_at(t.epochs) for t in trials if t.complete), default=-math.inf)
        ahead = [
            (self._rungs.level_of(t), t.best_at(t.epochs), -t.number, t)
            for t in trials
            if t.paused and t.best_at(t.epochs) > done
        ]
        if not ahead:
            return Pause.DONE
        level, _, _, best = max(ahead)
        return self._up(best, level)

    # -- what the steps ask ----------------------------------------------------------------------

    def _up(self, trial: TrialView, level: int) -> Step:
        return Step(trial.number, self._rungs.epoch_of(level + 1, trial))

    def _has_place(self, level: int) -> bool:
        return self._rungs[level].begun + 1 <= self._places[level] + ROUNDING

    def _cost_to_end(self, trial: TrialView) -> float:
        epoch = (trial.seconds or self._epoch_cost) if self._limits.timed else 1.0
        return (trial.length - trial.epochs) * epoch

    def _best_paused(self, level: int) -> TrialView | None:
        """Return the best paused trial of those that could still be finished; the older of
        equals."""
        lane = self._limits.lane + ROUNDING
        paused = (self._rungs.trial(number) for _, number in self._rungs[level].paused)
        return next((trial for trial in paused if self._cost_to_end(trial) <= lane), None)

    # -- how many are to begin the way to each rung ----------------------------------------------

    def _without_budget(self) -> list[float]:
        """Return what the shares give of the trials that are there."""
        given = [
            float(int(share * self._rungs[level].arrived + ROUNDING))
            for level, share in enumerate(self._shares)
        ]
        begun = [rung.begun for rung in self._rungs.rungs]
        return [math.inf, *map(max, begun[1:], given)]

    def _plan(self, left: float) -> list[float]:
        """Return how many trials use up exactly what is ``left``."""
        low = max(self._rungs[0].begun, self._at_least())
        affordable = max(left / (self._rule.rungs[0] * self._epoch_cost), 0.0) + self._at_least()
        high = self._rungs[0].begun + min(self._limits.may_start, affordable)
        if self._cost_of_plan(high) <= left:
            return self._planned(high)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._cost_of_plan(middle) <= left else (low, middle)
        return self._planned(low)

    def _at_least(self) -> float:
        """Return how many trials are to reach the end: with a clock, one for each worker."""
        return float(self._limits.workers if self._limits.timed else 1)

    def _planned(self, first: float) -> list[float]:
        """Return the planned number of trials by rung, if ``first`` begin."""
        least = self._at_least()
        expected = itertools.accumulate([first, *self._shares], operator.mul)
        return [max(plan.begun, x, least) for plan, x in zip(self._plans, expected, strict=True)]

    def _cost_of_plan(self, first: float) -> float:
        least, cost, expected = self._at_least(), 0.0, first
        for share, step, begun in self._plans:
            expected *= share
            cost += step * (max(begun, expected, least) - begun)
        return cost
