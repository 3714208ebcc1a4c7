"""What a search has done so far, kept from its events: for the display and the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import TrialState

from search.record.trials import continued, counted, is_copy, is_paused
from search.study.events import Ended, Epoch, Event, Paused, Standing, Started

RECENT = 6


@dataclass
class Row:
    """A trial at work, as the live view shows it: its last epoch, and the objective's value there
    with its unit."""

    number: int
    params: Mapping[str, Any]
    epochs: int
    epoch: int = 0
    value: str = "–"


@dataclass
class Progress:
    """Counts and recent endings; ``n_trials`` is the study's total, ``ended`` of it are done.

    ``paused`` ones wait until they belong to the best. ``epochs_here`` are those since this search
    began, ``epochs_before`` those until then, ``epoch_budget`` what all may come to.
    """

    n_trials: int
    ended: int = 0
    epochs_of_ended: int = 0
    live: dict[int, Row] = field(default_factory=dict)
    recent: deque[Ended] = field(default_factory=lambda: deque(maxlen=RECENT))
    best: Ended | None = None
    epochs_before: int | None = None
    epochs_here: int = 0
    paused: int = 0
    epoch_budget: int | None = None
    ended_here: int = 0
    first_epoch_at: float | None = None

    def take(self, event: Event) -> None:
        if isinstance(event, Started):
            self.live[event.number] = Row(event.number, event.params, event.epochs, event.epoch)
        elif isinstance(event, Standing):
            self._count(event)
        elif isinstance(event, Epoch):
            self._epoch(event)
        elif isinstance(event, Paused):
            self.live.pop(event.number, None)
            self.paused += 1
        elif isinstance(event, Ended):
            self._ended(event)

    def _count(self, standing: Standing) -> None:
        """Take the study's own count: other drivers work on it too."""
        ended = [trial for trial in counted(standing.trials) if trial.state.is_finished()]
        self.ended = len(ended)
        self.paused = sum(map(is_paused, standing.trials))
        self.epochs_of_ended = sum(len(t.intermediate_values) for t in ended)
        done = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        if done:
            metric = standing.metric
            best = min(done, key=lambda trial: metric.sign * (trial.value or 0.0))
            self._rank(Ended(best.number, best.state.name, "", best.params, metric, best.value))
        gone_on = continued(standing.trials)
        trained = [t for t in standing.trials if not is_copy(t) and t.number not in gone_on]
        epochs = sum(len(trial.intermediate_values) for trial in trained)
        if self.epochs_before is None:
            self.epochs_before = epochs
        self.epochs_here = epochs - self.epochs_before

    def _rank(self, event: Ended) -> None:
        if _is_better(event, self.best):
            self.best = event

    def _epoch(self, event: Epoch) -> None:
        live = self.live.get(event.number)
        if live:
            live.epoch, live.value = event.epoch, event.metric.quantity(event.value)
        if self.first_epoch_at is None:
            self.first_epoch_at = time.monotonic()
        self.epochs_here += 1

    def _ended(self, event: Ended) -> None:
        live = self.live.pop(event.number, None)
        self.ended += 1
        self.ended_here += 1
        self.epochs_of_ended += live.epoch if live else 0
        self.recent.append(event)
        if event.state == "COMPLETE":
            self._rank(event)

    def epochs(self) -> int:
        """Return the number of epochs trained in all."""
        return (self.epochs_before or 0) + self.epochs_here

    def epochs_per_trial(self) -> float:
        """Return what a trial that ended came to, pruned ones included."""
        return self.epochs_of_ended / max(1, self.ended)

    def seconds_left(self) -> float | None:
        """Return the epochs that are probably left, at the rate of epochs so far.

        A trial to come is taken to last as long as those that ended, pruned ones included; None
        until two have ended.
        """
        if self.first_epoch_at is None or self.epochs_here < 2:
            return None
        # The clock started when the first epoch was over, so that one does not count.
        rate = (self.epochs_here - 1) / max(1e-9, time.monotonic() - self.first_epoch_at)
        if self.epoch_budget is not None:
            return max(0, self.epoch_budget - self.epochs()) / rate
        if self.ended_here < 2 or self.paused:
            return None  # who continues after a pause shows later
        per_trial = self.epochs_per_trial()
        begun = sum(max(0.0, per_trial - live.epoch) for live in self.live.values())
        to_come = max(0, self.n_trials - self.ended - len(self.live)) * per_trial
        return (begun + to_come) / rate


def _is_better(event: Ended, best: Ended | None) -> bool:
    if event.value is None or best is None or best.value is None:
        return event.value is not None
    return event.metric.is_better(event.value, than=best.value)
