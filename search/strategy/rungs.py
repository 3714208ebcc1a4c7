"""What the promotion rule reads out of a study: who reached which rung, and what ranks there say.

A rung is a number of epochs. All of it is computed anew from the trials: there are no counters.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.record.trials import AUDIT, COPY_OF, TARGET, is_paused
from trainers.metrics import Metric


@dataclass(frozen=True)
class TrialView:
    """A trial as the rule sees it.

    ``values`` are those of its epochs, higher is better, NaN where it diverged; ``length`` is the
    epochs of its whole training, ``target`` the epoch that it is on its way to (None: nobody works
    on it). Only what is ``paused`` may go on. ``audited``: the epoch that it left as an audit.
    ``exempt`` is the recipe's own trial, which runs to its end whatever the rule says.
    """

    number: int
    values: tuple[float, ...]
    length: int
    target: int | None = None
    paused: bool = False
    complete: bool = False
    audited: int | None = None
    exempt: bool = False
    seconds: float | None = None  # of an epoch, as measured

    @property
    def epochs(self) -> int:
        return len(self.values)

    @property
    def diverged(self) -> bool:
        return bool(self.values) and math.isnan(self.values[-1])

    def best_at(self, epoch: int) -> float:
        """The best value up to ``epoch``; −∞ if the trial diverged by then."""
        seen = self.values[:epoch]
        return -math.inf if any(map(math.isnan, seen)) else max(seen)


def views(
    trials: Iterable[FrozenTrial],
    recipe: Mapping[str, Any],
    baseline: Mapping[str, Any],
    metric: Metric,
    asking: int | None = None,
) -> list[TrialView]:
    """The trials that train, or did: neither copies nor what was enqueued only. Trial ``asking``
    is seen as paused: it has just reported, and asks whether it goes on."""
    return [
        _view(trial, recipe, baseline, metric, asking)
        for trial in trials
        if trial.state != TrialState.WAITING and COPY_OF not in trial.user_attrs
    ]


def _view(
    trial: FrozenTrial,
    recipe: Mapping[str, Any],
    baseline: Mapping[str, Any],
    metric: Metric,
    asking: int | None,
) -> TrialView:
    running = trial.state == TrialState.RUNNING
    paused = running and (trial.number == asking or is_paused(trial))
    values = tuple(-metric.sign * value for _, value in sorted(trial.intermediate_values.items()))
    exempt = trial.number == 0 or trial.params == baseline
    length = int(trial.params.get("epochs") or recipe["epochs"])
    target = trial.user_attrs.get(TARGET, length if exempt else min(len(values) + 1, length))
    seconds = trial.user_attrs.get("seconds_per_epoch")
    return TrialView(
        trial.number,
        values,
        length,
        target=target if running and not paused else None,
        paused=paused,
        complete=trial.state == TrialState.COMPLETE,
        audited=trial.user_attrs.get(AUDIT),
        exempt=exempt,
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
    )


@dataclass
class Rung:
    """``begun`` segments lead to it, ended or not; ``audits`` of them came as audits and are not
    among the ``begun``, nor is the recipe above the first rung. ``arrived`` came on merit."""

    reached: dict[int, float] = field(default_factory=dict)  # number → best value there
    paused: list[TrialView] = field(default_factory=list)
    ranked: list[float] = field(default_factory=list)
    begun: int = 0
    audits: int = 0
    arrived: int = 0
    on_the_way: int = 0

    def rank(self, number: int) -> int:
        """How many of all that reached the rung were better there."""
        return len(self.ranked) - bisect_right(self.ranked, self.reached[number])


class Rungs:
    """The rungs at ``epochs``, the last of which stands for the end of any trial's training."""

    def __init__(self, epochs: Sequence[int], trials: Sequence[TrialView]):
        self.epochs = epochs
        self.trials = trials
        self.rungs = [Rung() for _ in epochs]
        for trial in trials:
            self._place(trial)
        for rung in self.rungs:
            rung.ranked = sorted(rung.reached.values())

    def __getitem__(self, level: int) -> Rung:
        return self.rungs[level]

    @property
    def last(self) -> int:
        return len(self.rungs) - 1

    def epoch_of(self, level: int, trial: TrialView) -> int:
        """Where ``trial`` reaches the rung: some spaces vary how long a trial is."""
        return trial.length if level == self.last else min(self.epochs[level], trial.length)

    def level_of(self, trial: TrialView) -> int:
        """The highest rung that a paused ``trial`` has reached; −1 where it is below the first."""
        return bisect_right(self.epochs[: self.last], trial.epochs) - 1

    def _place(self, trial: TrialView) -> None:
        for level, rung in enumerate(self.rungs):
            epoch = self.epoch_of(level, trial)
            here = trial.complete or trial.epochs >= epoch or self._diverged_towards(level, trial)
            if not here and (trial.target is None or trial.target < epoch):
                break
            audit = level > 0 and trial.audited == self.epochs[level - 1]
            on_merit = not audit and not (trial.exempt and level)
            rung.audits += audit
            rung.begun += on_merit
            if here:
                rung.reached[trial.number] = trial.best_at(epoch)
                rung.arrived += on_merit
            elif level == 0 or trial.number in self.rungs[level - 1].reached:
                rung.on_the_way += 1
            if trial.diverged and trial.epochs <= epoch:
                break
        level = self.level_of(trial)
        if trial.paused and not trial.diverged and level >= 0:
            self.rungs[level].paused.append(trial)

    def _diverged_towards(self, level: int, trial: TrialView) -> bool:
        return trial.diverged and (level == 0 or trial.epochs > self.epochs[level - 1])

    def agreement(self, level: int, prior: float, prior_trials: int) -> float:
        """Kendall's τ between a rung's order and the next one's, over all that reached both on
        merit, drawn to ``prior`` as if so many more trials had shown it."""
        both = [
            (self[level].reached[t.number], self[level + 1].reached[t.number])
            for t in self.trials
            if t.number in self[level + 1].reached and t.audited is None and not t.exempt
        ]
        concordant, pairs = concordance(both)
        extra = prior_trials * (prior_trials - 1) / 2
        return (concordant + extra * prior) / (pairs + extra)


def seconds_per_epoch(trials: Iterable[TrialView]) -> float | None:
    """The mean over trials; None where none was measured."""
    known = [trial.seconds for trial in trials if trial.seconds]
    return fmean(known) if known else None


def concordance(points: Iterable[tuple[float, float]]) -> tuple[int, int]:
    """Concordant less discordant pairs, and the pairs that are tied in neither coordinate."""
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
