"""The Gaussian process: it learns from trials that were pruned, diverged or ran out of memory."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.strategy.distributions import distributions
from search.strategy.history import as_if_completed
from search.strategy.samplers import make_sampler
from spaces.params import Float, Int
from spaces.space import ResolvedSpace


def new_study(direction: str = "maximize", **given: Any) -> optuna.Study:
    return optuna.create_study(direction=direction, **given)


def add(study: optuna.Study, *values: float, pruned: bool = True, **given: Any) -> None:
    """A trial that ended with these values at epochs 1, 2, …"""
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
            value=None if pruned else values[-1],
            intermediate_values=dict(enumerate(values, 1)),
            **given,
        )
    )


def test_a_pruned_trial_is_taken_to_go_on_like_those_that_did() -> None:
    """From epoch 2 to 3 two continued, by 10 and 6: 8 on average; from 3 to 4 one, by 5."""
    study = new_study()
    add(study, 10.0, 20.0, 30.0, 35.0, pruned=False)
    add(study, 12.0, 18.0, 24.0)
    add(study, 9.0, 15.0)
    assert [t.value for t in as_if_completed(study)] == [35.0, 24.0 + 5.0, 15.0 + 8.0 + 5.0]
    assert {t.state for t in as_if_completed(study)} == {TrialState.COMPLETE}


def test_a_trial_of_fewer_epochs_is_taken_to_its_own_end() -> None:
    study = new_study()
    epochs = {"distributions": {"epochs": optuna.distributions.IntDistribution(1, 4)}}
    add(study, 10.0, 20.0, 30.0, 35.0, pruned=False, params={"epochs": 4}, **epochs)
    add(study, 9.0, 15.0, params={"epochs": 3}, **epochs)
    assert as_if_completed(study)[1].value == 15.0 + 10.0


@pytest.mark.parametrize(("direction", "worst"), [("maximize", 5.0), ("minimize", 40.0)])
def test_what_diverged_is_as_bad_as_the_worst(direction: str, worst: float) -> None:
    study = new_study(direction)
    for value in (5.0, 40.0, 20.0):
        add(study, value, pruned=False)
    add(study, math.nan)
    assert as_if_completed(study)[3].value == worst


def test_what_ran_out_of_memory_is_too_whatever_it_reported() -> None:
    study = new_study()
    add(study, 5.0, 7.0, pruned=False)
    add(study, constraints={"memory": 1.0})
    add(study, 6.0, constraints={"memory": 1.0})
    add(study, 4.0, 6.5, pruned=False, constraints={"memory": 0.0})
    assert [t.value for t in as_if_completed(study)] == [7.0, 6.5, 6.5, 6.5]


def test_what_runs_or_failed_is_left_as_it_is() -> None:
    study = new_study()
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
    study.ask()
    states = [trial.state for trial in as_if_completed(study)]
    assert states == [TrialState.FAIL, TrialState.RUNNING]


LR = Float("lr", 0.001, 10.0, log=True)


def draws(study: optuna.Study, space: ResolvedSpace, name: str, count: int) -> list[float]:
    """What the next trials would get."""
    chosen = distributions(space.parameters)
    found = []
    for _ in range(count):
        trial = study.ask(chosen)
        found.append(float(trial.params[name]))
        study.tell(trial, state=TrialState.FAIL)
    return found


def test_it_goes_where_pruned_trials_were_best(make_space: Any) -> None:
    """Of four decades it tries the one about the best, though only one trial completed."""
    space = make_space(parameters=(LR,))
    study = new_study(sampler=make_sampler("gp", space, 0))
    for step in range(13):
        lr = 0.001 * 10 ** (step / 3)
        value = 50.0 - 5 * math.log10(lr / 0.1) ** 2
        given = {"params": {"lr": lr}, "distributions": distributions(space.parameters)}
        add(study, *([value] * (2 if step else 4)), pruned=step > 0, **given)
    for lr in draws(study, space, "lr", 4):
        assert 0.03 < lr < 0.3


def test_it_turns_away_from_what_ran_out_of_memory(make_space: Any) -> None:
    space = make_space({"batch_size": 16}, (Int("batch_size", 8, 512, log=True),))
    study = new_study(sampler=make_sampler("gp", space, 0))
    for step in range(13):
        size = round(8 * 2 ** (step / 2))
        given = {
            "params": {"batch_size": size},
            "distributions": distributions(space.parameters),
        }
        if size > 64:
            add(study, **given, constraints={"memory": 1.0})
        else:
            add(study, math.log2(size), math.log2(size), **given)
    assert all(size <= 100 for size in draws(study, space, "batch_size", 4))


def test_all_out_of_memory_so_far(make_space: Any) -> None:
    space = make_space(parameters=(LR,))
    study = new_study(sampler=make_sampler("gp", space, 0))
    for step in range(11):
        add(
            study,
            params={"lr": 0.001 * 2**step},
            distributions=distributions(space.parameters),
            constraints={"memory": 1.0},
        )
    (lr,) = draws(study, space, "lr", 1)
    LR.check(lr)
