"""The first draws of a study: all over the space, and around the baseline."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from search.strategy.distributions import distributions, share_of, value_at
from search.strategy.samplers import STARTUP, make_sampler
from search.strategy.sobol import first_draw
from spaces.params import Categorical, Float, Int, Parameter
from spaces.space import ResolvedSpace

SCALES: tuple[Parameter, ...] = (
    Float("lr", 0.01, 1.0, log=True),
    Float("dropout", 0.0, 0.5),
    Int("width", 1, 12),
    Int("depth", 10, 40, step=6),
    Int("batch_size", 16, 512, log=True),
)


@pytest.mark.parametrize("parameter", SCALES, ids=lambda p: p.name)
def test_the_share_of_a_value_leads_back_to_it(parameter: Float | Int) -> None:
    for step in range(21):
        value = value_at(parameter, min(step / 20, 1 - 1e-9))
        share = min(share_of(parameter, value), 1 - 1e-9)
        assert value_at(parameter, share) == pytest.approx(value)


def test_half_of_them_lie_within_half_of_the_way_to_the_ends(
    make_space: Callable[..., ResolvedSpace],
) -> None:
    """The baseline's rate, 0.1, is the middle of 0.01 to 1 on its scale."""
    space = make_space()
    rates = [first_draw(space, 0, index)["lr"] for index in range(32)]
    near, far = rates[1::2], rates[::2]
    assert all(10**-1.5 <= rate <= 10**-0.5 for rate in near)
    assert min(far) < 10**-1.8 < 10**-0.2 < max(far)
    quarters = [
        sum(10 ** (-2 + q / 2) <= rate < 10 ** (-1.5 + q / 2) for rate in far) for q in range(4)
    ]
    assert min(quarters) >= 3  # of 16


def test_they_follow_from_seed_and_number(make_space: Callable[..., ResolvedSpace]) -> None:
    space = make_space()
    kinds = distributions(space.parameters)

    def draws(seed: int, count: int) -> list[dict[str, object]]:
        study = optuna.create_study(sampler=make_sampler("tpe", space, seed))
        return [study.ask(kinds).params for _ in range(count)]

    first = draws(0, STARTUP + 1)
    assert first == draws(0, STARTUP + 1)
    assert first != draws(1, STARTUP + 1)
    assert {params["optimizer"] for params in first} == {"sgd", "sam"}


def test_a_space_of_names_alone_is_spread_too(make_space: Callable[..., ResolvedSpace]) -> None:
    space = make_space(parameters=(Categorical("optimizer", ("sgd", "sam")),))
    assert {first_draw(space, 0, index)["optimizer"] for index in range(4)} == {"sgd", "sam"}


def test_some_draws_are_random_ever_after(make_space: Callable[..., ResolvedSpace]) -> None:
    """TPE settles where the value is best; a third of the trials lies anywhere all the same."""
    space = make_space(parameters=(Float("lr", 0.01, 1.0, log=True),))
    kinds = distributions(space.parameters)
    study = optuna.create_study(sampler=make_sampler("tpe", space, 0))
    for _ in range(STARTUP + 90):
        trial = study.ask(kinds)
        study.tell(trial, abs(trial.params["lr"] - 0.02))
    late = [trial.params["lr"] for trial in study.trials[STARTUP + 30 :]]
    assert 4 <= sum(lr > 0.05 for lr in late) <= 24  # of 60: 0.65 of a third are 13
