"""How well trials' ranks at an early epoch agree with their final ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

from search.common.statistics import FEWEST_RANKED, Interval, rank_correlation
from search.record.trials import is_copy

FIRST_EPOCH = 2


@dataclass(frozen=True)
class Agreement:
    """Kendall's τ between the order of the values at ``epoch`` and that of the final ones, over
    the trials that reached the end."""

    epoch: int
    tau: Interval

    def __str__(self) -> str:
        return f"{self.tau.estimate:.2f} ({self.tau.low:.2f} to {self.tau.high:.2f})"


def rank_agreement(trials: Iterable[FrozenTrial]) -> list[Agreement]:
    """Return the agreement at epochs 2, 4, 8, …, without those beyond which fewer trials went than
    an interval needs."""
    ended = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE
        and not is_copy(trial)
        and trial.value is not None
        and math.isfinite(trial.value)
    ]
    found, epoch = [], FIRST_EPOCH
    while len(beyond := [t for t in ended if len(t.intermediate_values) > epoch]) >= FEWEST_RANKED:
        early = [(value_at(trial, epoch), trial.value or 0.0) for trial in beyond]
        points = [(then, value) for then, value in early if then is not None]
        tau = rank_correlation(points)
        found += [Agreement(epoch, tau)] if tau is not None else []
        epoch *= 2
    return found


def value_at(trial: FrozenTrial, epoch: int) -> float | None:
    """Return the value of the ``epoch``-th report, whatever the steps are called; None where it is
    no finite number."""
    steps = sorted(trial.intermediate_values)
    if len(steps) < epoch:
        return None
    value = trial.intermediate_values[steps[epoch - 1]]
    return value if math.isfinite(value) else None


def agreement_line(trials: Iterable[FrozenTrial]) -> str:
    """Return a line for the end of a search; empty where too few trials reached theirs."""
    found = rank_agreement(trials)
    parts = [f"epoch {a.epoch} {a}" for a in found]
    words = f"Early vs. final ranking (Kendall's τ, 95 % CI, n = {found[0].tau.n})" if found else ""
    return f"{words}: {', '.join(parts)}" if found else ""
