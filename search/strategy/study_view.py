"""A study with as much of its past as a sampler needs: what it costs to ask stays the same."""

from __future__ import annotations

from heapq import nlargest, nsmallest

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.storage.optuna_internals import with_trials

# TPE models its 25 best trials by themselves, and weighs the others less the older they are.
BEST, IN_ALL = 100, 1000


def with_recent_trials(study: Study) -> Study:
    """``study`` as a sampler sees it: of more than ``IN_ALL`` trials, the ``BEST`` best completed
    ones and the latest of the others."""
    return with_trials(study, _chosen(study.get_trials(deepcopy=False), study.direction))


def _chosen(trials: list[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    if len(trials) <= IN_ALL:
        return trials
    values = {t.number: t.value for t in trials if t.state == TrialState.COMPLETE}
    choose = nsmallest if direction == StudyDirection.MINIMIZE else nlargest
    best = set(choose(BEST, values, key=lambda number: values[number] or 0.0))
    others = [trial.number for trial in trials if trial.number not in best]
    kept = best.union(others[len(best) - IN_ALL :])
    return [trial for trial in trials if trial.number in kept]
