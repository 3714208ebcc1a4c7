"""What a sampler sees of a long study: all of it up to a bound, then the best and the latest."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.strategy.history import BEST, IN_ALL, recent_trials


def finished(value: float) -> FrozenTrial:
    return create_trial(value=value)


def seen(study: optuna.Study) -> list[int]:
    return [trial.number for trial in recent_trials(study)]


def test_a_study_up_to_the_bound_is_seen_whole() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trials([finished(float(n)) for n in range(IN_ALL)])
    assert seen(study) == list(range(IN_ALL))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_of_a_longer_one_the_best_and_the_latest_are_seen(direction: str) -> None:
    study = optuna.create_study(direction=direction)
    sign = 1 if direction == "maximize" else -1
    # The earliest are the best, so that they are not the latest too.
    study.add_trials([finished(-sign * float(n)) for n in range(IN_ALL + 500)])
    latest = range(IN_ALL + 500 - (IN_ALL - BEST), IN_ALL + 500)
    assert seen(study) == [*range(BEST), *latest]


def test_pruned_trials_count_among_the_latest() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trials([create_trial(state=TrialState.PRUNED) for _ in range(IN_ALL + 7)])
    study.add_trial(finished(1.0))
    assert seen(study) == list(range(8, IN_ALL + 8))


def test_the_bound_can_be_lower() -> None:
    study = optuna.create_study(direction="minimize")
    study.add_trials([finished(float(n)) for n in range(BEST + 50)])
    kept = [trial.number for trial in recent_trials(study, BEST + 10)]
    assert kept == [*range(BEST), *range(BEST + 40, BEST + 50)]
