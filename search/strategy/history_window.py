"""As much of a study's past as a sampler needs: what it costs to ask stays the same."""

from __future__ import annotations

from copy import copy
from heapq import nlargest, nsmallest

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.record.trials import continued, is_paused

# TPE models its 25 best trials by themselves, and weighs the others less the older they are.
BEST, IN_ALL = 100, 1000


def recent_trials(study: Study, in_all: int = IN_ALL) -> list[FrozenTrial]:
    """Of more than ``in_all`` trials, the ``BEST`` best completed ones and the latest others.

    A paused trial is seen as PRUNED with its values: as RUNNING it would count as a bad one. What
    went on as another trial is seen once.
    """
    found = study.get_trials(deepcopy=False)
    gone_on = continued(found)
    trials = [_as_pruned(trial) for trial in found if trial.number not in gone_on]
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
