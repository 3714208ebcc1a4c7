"""Optuna's Gaussian process, told of every trial that ended.

By itself it learns from completed trials alone. Under a pruner most do not complete, so they are
shown to it as if they had gone on as those did that went on.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from statistics import fmean

import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.recent_trials import recent_trials

MOST_TRIALS = 200  # above, one proposal takes more than a second


def gp_sampler(seed: int) -> BaseSampler:
    """Optuna's own, with its other defaults."""
    with warnings.catch_warnings():  # the name is ours to offer; the warning is not the user's
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed)


def as_if_completed(study: Study) -> list[FrozenTrial]:
    """The latest trials of ``study``, those that ended as COMPLETE.

    What ran out of memory, or made no sense, is infeasible; what diverged is as bad as the worst.
    """
    trials = recent_trials(study, MOST_TRIALS)
    ended = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    if all(_violation(trial) > 0 for trial in ended):
        return [t for t in trials if t not in ended]  # Optuna's model needs one that is feasible
    gains = _mean_gains([trial.intermediate_values for trial in ended])
    values = {trial.number: _value_at_the_end(trial, gains) for trial in ended}
    known = [value for value in values.values() if math.isfinite(value)]
    worst = min if study.direction == StudyDirection.MAXIMIZE else max
    unknown = worst(known, default=0.0)
    constrained = any(trial.constraints for trial in ended)  # one that has some: all must
    return [
        create_trial(
            value=values[t.number] if math.isfinite(values[t.number]) else unknown,
            params=t.params,
            distributions=t.distributions,
            constraints={"feasible": _violation(t)} if constrained else None,
        )
        if t.number in values
        else t
        for t in trials
    ]


def _violation(trial: FrozenTrial) -> float:
    """Above 0 where the trial ran out of memory or broke a rule."""
    return max(trial.constraints.values(), default=-1.0)


def _mean_gains(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Step → what those trials gained on average that went on to the next step."""
    gains = {}
    for step, following in itertools.pairwise(sorted(set().union(*curves))):
        both = [curve for curve in curves if step in curve and following in curve]
        found = [curve[following] - curve[step] for curve in both]
        gains[step] = fmean([gain for gain in found if math.isfinite(gain)] or [0.0])
    return gains


def _value_at_the_end(trial: FrozenTrial, gains: Mapping[int, float]) -> float:
    """NaN where nothing is known."""
    if trial.state == TrialState.COMPLETE:
        return math.nan if trial.value is None else trial.value
    last = trial.last_step
    if last is None:
        return math.nan
    epochs = trial.params.get("epochs", math.inf)  # where a space varies them
    return trial.intermediate_values[last] + sum(
        gain for step, gain in gains.items() if last <= step < epochs
    )
