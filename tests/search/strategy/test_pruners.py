"""Pruners: decisions on tables of values, by hand and against Optuna's own pruner."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from search.strategy.halving import HalvingPruner, HyperbandPruner
from search.strategy.pruners import PROMOTION, PRUNERS, make_pruner

ENDS_NONE = {"none", PROMOTION}  # of which the latter lets trials pause: test_promotion.py


def new_study(direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(study_name="study", direction=direction)


def add(study: optuna.Study, *values: float) -> optuna.trial.FrozenTrial:
    """A finished trial with these values at epochs 1, 2, …"""
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.PRUNED, intermediate_values=dict(enumerate(values, 1))
        )
    )
    return study.get_trials()[-1]


@pytest.mark.parametrize(
    ("last", "rungs"),
    [(1, []), (2, [2]), (3, [2]), (4, [2, 4]), (8, [2, 4, 8]), (200, [2, 4, 8, 16, 32, 64, 128])],
)
def test_rungs_double_from_the_second_epoch(last: int, rungs: list[int]) -> None:
    assert HalvingPruner(2, 2).rungs(last) == rungs


def test_rungs_of_large_powers_are_not_lost_to_rounding() -> None:
    for factor, power in itertools.product((2, 3, 5), range(12)):
        assert factor**power in HalvingPruner(1, factor).rungs(factor**power)


# At epoch 2, in the order in which the trials arrive, the best half of those so far is promoted.
# 50 alone; 40 of {50, 40}; 60 of {60, 50, 40}: only the best; 55 of four: the best two;
# 50 again of five: rank 3 of 5, two are promoted; 60 again of six: equal to the best.
AT_EPOCH_2 = [(50, False), (40, True), (60, False), (55, False), (50, True), (60, False)]


def test_halving_by_hand() -> None:
    study, pruner = new_study(), HalvingPruner(2, 2)
    for value, pruned in AT_EPOCH_2:
        trial = add(study, 99.0, float(value))
        assert pruner.prune(study, trial) is pruned, value


def test_halving_answers_the_same_when_asked_twice() -> None:
    study, pruner = new_study(), HalvingPruner(2, 2)
    for value, _ in AT_EPOCH_2:
        trial = add(study, 99.0, float(value))
        assert pruner.prune(study, trial) == pruner.prune(study, trial)


def test_halving_prunes_nan_and_does_not_count_it() -> None:
    study, pruner = new_study(), HalvingPruner(2, 2)
    assert pruner.prune(study, add(study, 50.0, math.nan))
    assert not pruner.prune(study, add(study, 50.0, 50.0))
    assert pruner.prune(study, add(study, 50.0, 40.0))


def test_halving_lets_a_trial_without_reports_go_on() -> None:
    study = new_study()
    assert not HalvingPruner(2, 2).prune(study, add(study))


@pytest.mark.parametrize("seed", range(5))
def test_halving_agrees_with_optunas_own(seed: int) -> None:
    """Optuna's pruner with min_resource 2 and factor 2, asked once after each epoch.

    They agree where trials come one after the other with distinct values: at a rung, Optuna
    compares with all trials that reached it, as we do. Its marks are what differs: it writes one
    per rung into the trial, so a question asked again after a crash is answered for the next
    rung; and among equal values it promotes as we do, but a NaN counts for it as the worst value.
    """
    draw = random.Random(seed)
    ours = optuna.create_study(direction="maximize", pruner=HalvingPruner(2, 2))
    optunas = optuna.create_study(
        direction="maximize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2),
    )
    for _ in range(40):
        start, gain = draw.uniform(10, 50), draw.uniform(0, 5)
        curve = [start + gain * epoch + draw.gauss(0, 2) for epoch in range(1, 17)]
        assert lasts(ours, curve) == lasts(optunas, curve)


def lasts(study: optuna.Study, curve: list[float]) -> int:
    """The epoch at which a trial with this curve is pruned, or its last."""
    trial = study.ask()
    for epoch, value in enumerate(curve, 1):
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, max(curve))
    return epoch


def test_hyperband_has_a_bracket_for_each_first_rung() -> None:
    """⌊log₃ 27⌋ = 3 brackets, whose first rungs are 1, 3 and 9."""
    pruner = HyperbandPruner(27, 3)
    assert [bracket.rungs(27) for bracket in pruner.brackets] == [
        [1, 3, 9, 27],
        [3, 9, 27],
        [9, 27],
    ]


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_hyperband_of_few_epochs_has_one_bracket(epochs: int) -> None:
    assert len(HyperbandPruner(epochs, 3).brackets) == 1


def test_hyperband_uses_all_brackets_and_the_same_ones_again() -> None:
    pruner = HyperbandPruner(27, 3)
    brackets = [pruner.bracket_of("study", number) for number in range(60)]
    assert {0, 1, 2} == set(brackets)
    assert min(map(brackets.count, (0, 1, 2))) >= 10
    again = HyperbandPruner(27, 3)
    assert brackets == [again.bracket_of("study", number) for number in range(60)]


def test_hyperband_compares_within_a_bracket_only() -> None:
    study, pruner = new_study(), HyperbandPruner(27, 3)
    bracket = [pruner.bracket_of("study", number) for number in range(60)]
    best = [-math.inf] * 3
    for number in range(60):
        first = pruner.brackets[bracket[number]].first
        value = float(number % 17)
        pruned = pruner.prune(study, add(study, *[value] * first))
        if value >= best[bracket[number]]:
            assert not pruned  # the best of its own bracket, whatever the others have
        best[bracket[number]] = max(best[bracket[number]], value)


@pytest.mark.parametrize("name", sorted(set(PRUNERS) - ENDS_NONE))
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_every_pruner_follows_the_studys_direction(name: str, direction: str) -> None:
    """The worst of many is stopped, the best goes to its end."""
    sign = 1 if direction == "maximize" else -1
    study = optuna.create_study(
        study_name="study", direction=direction, pruner=make_pruner(name, 9)
    )
    for number in range(20):
        lasts(study, [sign * float(number % 7)] * 9)
    worst = [lasts(study, [sign * -1.0] * 9) for _ in range(4)]  # hyperband: of several brackets
    assert max(worst) < 9
    assert lasts(study, [sign * 99.0] * 9) == 9


@pytest.mark.parametrize("name", PRUNERS)
def test_every_pruner_of_the_table_gets_through_a_study(name: str) -> None:
    study = optuna.create_study(direction="maximize", pruner=make_pruner(name, 9))
    draw = random.Random(0)
    ends = [lasts(study, [draw.uniform(0, 99) for _ in range(9)]) for _ in range(30)]
    assert all(1 <= end <= 9 for end in ends)
    assert (min(ends) == 9) is (name in ENDS_NONE)


def test_the_median_pruner_leaves_the_first_trials_and_epochs_alone() -> None:
    study: Any = optuna.create_study(direction="maximize", pruner=make_pruner("median", 9))
    for value in (50.0, 51.0, 52.0, 53.0):
        trial = study.ask()
        for epoch in range(1, 10):
            trial.report(value, epoch)
            assert not trial.should_prune()
        study.tell(trial, value)
    assert lasts(study, [1.0] * 9) == 2  # worse than the median; the first epoch is let pass
