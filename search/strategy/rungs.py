"""What the promotion rule reads out of a study: who reached which rung, and what ranks there say.

A rung is a number of epochs. All of it follows from the trials alone. What has not changed since it
was asked last is not computed again: a study makes several decisions for each of its trials.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.record.trials import COPY_OF, TARGET, can_resume, continued, is_baseline
from trainers.metrics import Metric


@dataclass(frozen=True)
class TrialView:
    """A trial as the rule sees it.

    ``values`` are those of its epochs, higher is better, NaN where it diverged; ``length`` is the
    epochs of its whole training, ``target`` the epoch that it is on its way to (None: nobody works
    on it). Only ``paused`` ones may be promoted. ``exempt`` is the baseline's trial, which runs to
    its end whatever the rule says.
    """

    number: int
    values: tuple[float, ...]
    length: int
    target: int | None = None
    paused: bool = False
    complete: bool = False
    exempt: bool = False
    seconds: float | None = None  # of an epoch, as measured

    @property
    def epochs(self) -> int:
        return len(self.values)

    @property
    def diverged(self) -> bool:
        return bool(self.values) and math.isnan(self.values[-1])

    def best_at(self, epoch: int) -> float:
        """Return the best value up to ``epoch``; −∞ if the trial diverged by then."""
        seen = self.values[:epoch]
        return -math.inf if any(map(math.isnan, seen)) else max(seen)


class Views:
    """The trials of a study as the rule sees them, those that train, or did: neither copies nor
    what was enqueued only, nor what was resumed as another. What the pruner has ended is seen as
    paused: it resumes where the budget is raised. A trial that is still the same object is not
    looked at again."""

    def __init__(self, setting: Mapping[str, Any], baseline: Mapping[str, Any], metric: Metric):
        self._setting, self._baseline, self._metric = setting, baseline, metric
        self._trials: list[FrozenTrial] = []
        self._made: list[TrialView | None] = []  # of these, in their order

    def of(self, trials: Iterable[FrozenTrial], asking: int | None = None) -> list[TrialView]:
        """See trial ``asking`` as paused: it has just reported, and asks whether it continues."""
        before, self._trials = self._trials, list(trials)
        pairs = enumerate(zip(self._trials, before, strict=False))
        for place in [place for place, (now, then) in pairs if now is not then]:
            self._made[place] = self._view(self._trials[place])
        self._made[len(before) :] = map(self._view, self._trials[len(before) :])
        resumed = continued(self._trials)
        return [
            replace(view, target=None, paused=True) if view.number == asking else view
            for view in self._made[: len(self._trials)]
            if view is not None and view.number not in resumed
        ]

    def _view(self, trial: FrozenTrial) -> TrialView | None:
        if trial.state == TrialState.WAITING or trial.user_attrs.get(COPY_OF) is not None:
            return None
        running, paused = trial.state == TrialState.RUNNING, can_resume(trial)
        steps, sign = sorted(trial.intermediate_values.items()), -self._metric.sign
        values = tuple(sign * value for _, value in steps)
        exempt = is_baseline(trial.params, self._baseline)
        length = int(trial.params.get("epochs") or self._setting["epochs"])
        target = trial.user_attrs.get(TARGET, length if exempt else min(len(values) + 1, length))
        seconds = trial.user_attrs.get("seconds_per_epoch")
        return TrialView(
            trial.number,
            values,
            length,
            target=target if running and not paused else None,
            paused=paused,
            complete=trial.state == TrialState.COMPLETE,
            exempt=exempt,
            seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
        )


@dataclass
class Rung:
    """A rung to which ``begun`` segments lead, ended or not, and at which ``arrived`` of them are;
    above the first rung the baseline is not among them.

    ``ranked`` are the best values there of all that reached it, the lowest first; ``paused`` those
    that pause at it, the best first and the older of equals: (−value, number).
    """

    ranked: list[float] = field(default_factory=list)
    paused: list[tuple[float, int]] = field(default_factory=list)
    begun: int = 0
    arrived: int = 0
    on_the_way: int = 0


class Rungs:
    """The rungs at ``epochs``, the last of which stands for the end of any trial's training.

    ``running`` are the trials that somebody works on; ``promised`` the epochs that were trained or
    for which a worker was sent off.
    """

    def __init__(self, epochs: Sequence[int], trials: Iterable[TrialView] = ()):
        self.epochs = epochs
        self.rungs = [Rung() for _ in epochs]
        self.running: dict[int, TrialView] = {}
        self.promised = 0
        self._trials: dict[int, TrialView] = {}
        # By level: number → values there and one below, of those whose order counts.
        self._both: list[dict[int, tuple[float, float]]] = [{} for _ in epochs]
        self._concordance: dict[int, tuple[int, int]] = {}
        self.update(trials)

    def __getitem__(self, level: int) -> Rung:
        return self.rungs[level]

    @property
    def last(self) -> int:
        return len(self.rungs) - 1

    @property
    def trials(self) -> ValuesView[TrialView]:
        return self._trials.values()

    def trial(self, number: int) -> TrialView:
        return self._trials[number]

    def update(self, trials: Iterable[TrialView]) -> None:
        """Take these as all of the study's trials from now on."""
        now, known = {trial.number: trial for trial in trials}, self._trials
        for trial in [trial for trial in now.values() if known.get(trial.number) is not trial]:
            self._exchange(known.get(trial.number), trial)
        for gone in known.keys() - now.keys():
            self._exchange(known[gone], None)

    def epoch_of(self, level: int, trial: TrialView) -> int:
        """Return where ``trial`` reaches the rung: some spaces vary how long a trial is."""
        return trial.length if level == self.last else min(self.epochs[level], trial.length)

    def level_of(self, trial: TrialView) -> int:
        """Return the highest rung that a paused ``trial`` has reached; −1 where it is below the
        first."""
        return bisect_right(self.epochs, trial.epochs, hi=self.last) - 1

    def _exchange(self, old: TrialView | None, new: TrialView | None) -> None:
        if old:
            self._place(old, -1)
            del self._trials[old.number]
        if new:
            self._trials[new.number] = new
            self._place(new, 1)

    def _place(self, trial: TrialView, sign: int) -> None:
        """Adds what ``trial`` comes to at all rungs; with ``sign`` −1 takes it out again."""
        self.promised += sign * max(trial.epochs, trial.target or 0)
        if trial.target is not None:
            _put(self.running, trial.number, trial, sign)
        below, came = math.nan, True  # its value at the rung below, if it came there
        for level, rung in enumerate(self.rungs):
            epoch = self.epoch_of(level, trial)
            here = self.is_at(level, trial)
            if not here and (trial.target is None or trial.target < epoch):
                break
            on_merit = not (trial.exempt and level)
            rung.begun += sign * on_merit
            if here:
                value = trial.best_at(epoch)
                rung.arrived += sign * on_merit
                _put_sorted(rung.ranked, value, sign)
                if level and not trial.exempt:
                    _put(self._both[level], trial.number, (below, value), sign)
                    self._concordance.pop(level, None)
                below = value
            else:
                rung.on_the_way += sign * came
            came = here
            if trial.diverged and trial.epochs <= epoch:
                break
        level = self.level_of(trial)
        if trial.paused and not trial.diverged and level >= 0:
            best = trial.best_at(self.epoch_of(level, trial))
            _put_sorted(self.rungs[level].paused, (-best, trial.number), sign)

    def is_at(self, level: int, trial: TrialView) -> bool:
        """Return whether ``trial`` reached the rung, or diverged on the way from the one below."""
        if trial.complete or trial.epochs >= self.epoch_of(level, trial):
            return True
        return trial.diverged and (level == 0 or trial.epochs > self.epochs[level - 1])

    def rank(self, level: int, trial: TrialView) -> int:
        """Return how many of all that reached the rung were better there than ``trial``."""
        ranked = self.rungs[level].ranked
        return len(ranked) - bisect_right(ranked, trial.best_at(self.epoch_of(level, trial)))

    def agreement(self, level: int, prior: float, prior_trials: int) -> float:
        """Return Kendall's τ between a rung's order and the next one's, over all that reached both
        on merit, shrunk to ``prior`` as if so many more trials had shown it."""
        if level + 1 not in self._concordance:
            self._concordance[level + 1] = concordance(self._both[level + 1].values())
        concordant, pairs = self._concordance[level + 1]
        extra = prior_trials * (prior_trials - 1) / 2
        return (concordant + extra * prior) / (pairs + extra)


def _put(there: dict[int, Any], number: int, value: Any, sign: int) -> None:
    if sign > 0:
        there[number] = value
    else:
        del there[number]


def _put_sorted(there: list[Any], value: Any, sign: int) -> None:
    if sign > 0:
        insort(there, value)
    else:
        del there[bisect_left(there, value)]


def seconds_per_epoch(trials: Iterable[TrialView]) -> float | None:
    """Return the mean over trials; None where none was measured."""
    known = [trial.seconds for trial in trials if trial.seconds]
    return fmean(known) if known else None


def concordance(points: Iterable[tuple[float, float]]) -> tuple[int, int]:
    """Return concordant less discordant pairs, and the pairs that are tied in neither
    coordinate."""
    difference = pairs = 0
    seen: list[float] = []  # second coordinates of the points that are lower in the first
    for _, group in itertools.groupby(sorted(points), key=lambda point: point[0]):
        values = [value for _, value in group]
        for value in values:
            below, above = bisect_left(seen, value), len(seen) - bisect_right(seen, value)
            difference += below - above
            pairs += below + above
        for value in values:
            insort(seen, value)
    return difference, pairs
