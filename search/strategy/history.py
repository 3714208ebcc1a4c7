"""What a sampler sees of a study's past: not more than it needs, and every trial that ended.

Optuna's Gaussian process learns from completed trials alone. Under a pruner most do not complete,
so they are shown to it as if they had continued like those that did.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from copy import copy
from heapq import nlargest, nsmallest
from statistics import fmean

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.record.trials import continued, is_paused

# TPE models its 25 best trials by themselves, and weighs the others less the older they are.
BEST, IN_ALL = 100, 1000
MOST_FOR_GP = 200  # above, one proposal takes more than a second


def recent_trials(study: Study, in_all: int = IN_ALL) -> list[FrozenTrial]:
    """Returns all trials; of more than ``in_all`` the ``BEST`` best completed and latest others.

    A paused trial is seen as PRUNED with its values: as RUNNING it would count as a bad one. What
    was resumed as another trial is seen once.
    """
    found = study.get_trials(deepcopy=False)
    resumed = continued(found)
    trials = [_as_pruned(trial) for trial in found if trial.number not in resumed]
    if len(trials) <= in_all:
        return trials
    values = {t.number: t.value for t in trials if t.state == TrialState.COMPLETE}
    choose = nsmallest if study.direction == StudyDirection.MINIMIZE else nlargest
    best = set(choose(BEST, values, key=lambda number: values[number] or 0.0))
    others = [trial.number for trial in trials if trial.number not in best]
    kept = best.union(others[len(best) - in_all :])
    return [trial for trial in trials if trial.number in kept]


def _as_pruned(trial: FrozenTrial) -> FrozenTrial:
    if not is_paused(trial):
        return trial
    seen = copy(trial)
    seen.state = TrialState.PRUNED
    return seen


def as_if_completed(study: Study) -> list[FrozenTrial]:
    """Return the latest trials of ``study``, those that ended as COMPLETE.

    What diverged, ran out of memory or made no sense is as bad as the worst of the others.
    """
    trials = recent_trials(study, MOST_FOR_GP)
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
    """Return step → the mean gain of the trials that continued to the next step."""
    gains = {}
    for step, following in itertools.pairwise(sorted(set().union(*curves))):
        both = [curve for curve in curves if step in curve and following in curve]
        found = [curve[following] - curve[step] for curve in both]
        gains[step] = fmean([gain for gain in found if math.isfinite(gain)] or [0.0])
    return gains


def _value_at_the_end(trial: FrozenTrial, gains: Mapping[int, float]) -> float:
    """Return the value expected at the end; NaN where nothing is known, or it is of no use."""
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
