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

from search.strategy.history_window import recent_trials

MOST_TRIALS = 200  # above, one proposal takes more than a second


def gp_sampler(seed: int) -> BaseSampler:
    """Optuna's own, with its other defaults."""
    with warnings.catch_warnings():  # the name is ours to offer; the warning is not the user's
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed)


def as_if_completed(study: Study) -> list[FrozenTrial]:
    """The latest trials of ``study``, those that ended as COMPLETE.

    What diverged, ran out of memory or made no sense is as bad as the worst of the others.
    """
    trials = recent_trials(study, MOST_TRIALS)
    ended = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    gains = _mean_gains([trial.intermediate_values for trial in ended])
    values = {trial.number: _value_at_the_end(trial, gains) for trial in ended}
    worst = min if study.direction == StudyDirection.MAXIMIZE else max
    bad = worst((value for value in values.values() if math.isfinite(value)), default=0.0)
    return [_completed(t, values[t.number], bad) if t.number in values else t for t in trials]


def _completed(trial: FrozenTrial, value: float, otherwise: float) -> FrozenTrial:
    return create_trial(
        value=value if math.isfinite(value) else otherwise,
        params=trial.params,
        distributions=trial.distributions,
    )


def _mean_gains(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Step → what those trials gained on average that went on to the next step."""
    gains = {}
    for step, following in itertools.pairwise(sorted(set().union(*curves))):
        both = [curve for curve in curves if step in curve and following in curve]
        found = [curve[following] - curve[step] for curve in both]
        gains[step] = fmean([gain for gain in found if math.isfinite(gain)] or [0.0])
    return gains


def _value_at_the_end(trial: FrozenTrial, gains: Mapping[int, float]) -> float:
    """NaN where nothing is known, or it is of no use."""
    if any(violation > 0 for violation in trial.constraints.values()):
        return math.nan
    if trial.state == TrialState.COMPLETE:
        return math.nan if trial.value is None else trial.value
    last = trial.last_step
    if last is None:
        return math.nan
    epochs = trial.params.get("epochs", math.inf)  # where a space varies them
    return trial.intermediate_values[last] + sum(
        gain for step, gain in gains.items() if last <= step < epochs
    )
