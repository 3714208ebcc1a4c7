"""The promotion rule on records made by hand: what it decides follows by counting."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import pytest

from search.strategy.promotion import Limits, Pause, PromotionRule, Step
from search.strategy.rungs import TrialView, concordance

RULE = PromotionRule(9)  # rungs 1, 3, 9


def paused(number: int, *values: float, seconds: float | None = None) -> TrialView:
    return TrialView(number, values, 9, paused=True, seconds=seconds)


def running(number: int, target: int, *values: float) -> TrialView:
    return TrialView(number, values, 9, target=target)


def complete(number: int, *values: float, exempt: bool = False) -> TrialView:
    return TrialView(number, values, 9, complete=True, exempt=exempt)


@pytest.mark.parametrize(
    ("full", "rungs"), [(1, [1]), (2, [1, 2]), (9, [1, 3, 9]), (10, [1, 3, 9, 10])]
)
def test_rungs_are_three_times_apart_and_end_at_the_full_length(
    full: int, rungs: list[int]
) -> None:
    assert PromotionRule(full).rungs == rungs


def test_a_shorter_trial_has_its_own_end_as_last_rung() -> None:
    assert [RULE.next_rung(epoch, 5) for epoch in (0, 1, 2, 3, 4)] == [1, 3, 3, 5, 5]


def test_an_empty_study_begins_a_trial() -> None:
    assert RULE.decide([], Limits(4)) == Step(None, 1)


def test_without_a_budget_the_sure_best_go_on_before_all_have_begun() -> None:
    """Share 3 ** -0.5 = 0.577 at the prior agreement of 1/2; half of it of 4 trials is 1.15."""
    four = [paused(n, value) for n, value in enumerate((10.0, 40.0, 20.0, 30.0))]
    assert RULE.decide(four, Limits(4)) == Step(1, 3)
    assert RULE.decide(four[:3], Limits(5)) == Step(None, 1)  # 0.87: nobody is sure


def test_when_all_have_begun_the_places_are_filled_with_the_best() -> None:
    """0.577 of 4 trials: two places at epoch 3, the second for trial 3."""
    trials = [paused(0, 10.0), running(1, 3, 40.0), paused(2, 20.0), paused(3, 30.0)]
    assert RULE.decide(trials, Limits(0)) == Step(3, 3)
    trials[3] = running(3, 3, 30.0)
    assert RULE.decide(trials, Limits(0)) is Pause.WAIT


def test_who_is_on_the_way_to_a_rung_may_be_better() -> None:
    trials = [paused(0, 10.0), paused(1, 40.0), paused(2, 20.0), running(3, 1)]
    assert RULE.decide(trials, Limits(0)) is Pause.WAIT


def test_the_best_of_the_highest_rung_is_finished_and_then_it_is_over() -> None:
    trials = [
        paused(0, 10.0),
        paused(1, 40.0, 41.0, 42.0),
        paused(2, 20.0),
        paused(3, 30.0, 31, 32),
    ]
    assert RULE.decide(trials, Limits(0)) == Step(1, 9)
    trials[1] = complete(1, *range(40, 49))
    assert RULE.decide(trials, Limits(0)) is Pause.DONE


def test_the_baseline_takes_no_place() -> None:
    """It has run to its end, better than all; the best of the others is finished nevertheless."""
    baseline = complete(0, *[90.0] * 9, exempt=True)
    assert RULE.decide([baseline, paused(1, 10.0)], Limits(0)) == Step(1, 3)
    assert RULE.decide([baseline], Limits(0)) is Pause.DONE


def test_a_diverged_trial_is_never_promoted_but_counts_at_its_rung() -> None:
    nan = TrialView(0, (math.nan,), 9)
    others = [nan, paused(1, 10.0), paused(2, 9.0)]
    assert RULE.decide([*others, paused(3, 8.0)], Limits(4)) == Step(1, 3)  # one of four is sure
    assert RULE.decide(others, Limits(4)) == Step(None, 1)
    assert RULE.decide([nan], Limits(0)) is Pause.DONE


@pytest.mark.parametrize(
    ("second", "answer"), [((10, 20, 30, 40), Pause.WAIT), ((40, 30, 20, 10), Step(4, 3))]
)
def test_the_share_that_goes_on_follows_from_the_agreement(
    second: tuple[float, ...], answer: Step | Pause
) -> None:
    """Four of six reached epoch 3. In the same order: τ = (6 + 7.5) / (6 + 15) = 0.643, a share of
    3 ** -0.643 = 0.493 of 6: two. Reversed: τ = (−6 + 7.5) / 21 = 0.071, 0.925 of 6: five."""
    reached = [running(n, 9, n + 1.0, 0.0, value) for n, value in enumerate(second)]
    behind = [paused(4, 0.5), paused(5, 0.4)]
    assert RULE.decide([*reached, *behind], Limits(0)) == answer


def test_a_budget_is_planned_to_be_used_up() -> None:
    """With 12 epochs: one to the end takes 1 + 2 + 6 and leaves 3, for 3 trials more at epoch 1.
    Shares of 1/3 at power 2: 4 begin, 4/3 are to reach epoch 3, one the end. The plan of x trials
    costs x + 2·max(x / 3, 1) + 6·1: 12 are used up at x = 3.6."""
    trials: list[TrialView] = []
    for number in range(3):
        left = 12.0 - number
        assert RULE.decide(trials, Limits(99, left, left)) == Step(None, 1)
        trials.append(paused(number, 10.0 + number))
    assert RULE.decide(trials, Limits(99, 9.0, 9.0)) == Step(2, 3)
    trials[2] = paused(2, 12.0, 13.0, 14.0)
    assert RULE.decide(trials, Limits(99, 7.0, 7.0)) == Step(2, 9)
    trials[2] = complete(2, *range(12, 21))
    assert RULE.decide(trials, Limits(99, 1.0, 1.0)) is Pause.DONE


def test_what_no_longer_fits_is_passed_over() -> None:
    """10 s are left; the best would need 8 · 2 s, the next 8 · 1 s."""
    trials = [paused(0, 50.0, seconds=2.0), paused(1, 40.0, seconds=1.0)]
    assert RULE.decide(trials, Limits(0, 10.0, 10.0, timed=True)) == Step(1, 3)
    assert RULE.decide(trials, Limits(0, 5.0, 5.0, timed=True)) is Pause.DONE


def test_the_decision_does_not_hang_on_the_order_of_the_trials() -> None:
    draw = random.Random(0)
    trials = [paused(n, *(draw.random() for _ in range(draw.choice((1, 3))))) for n in range(12)]
    for limits in (Limits(0), Limits(5), Limits(5, 60.0, 60.0)):
        answers = set()
        for _ in range(5):
            draw.shuffle(trials)
            answers.add(RULE.decide(trials, limits))
        assert len(answers) == 1


def moved(trial: TrialView, draw: random.Random) -> TrialView:
    """What may have become of a trial meanwhile."""
    if trial.complete or trial.diverged:
        return trial
    if trial.target is None:
        target = RULE.next_rung(trial.epochs, trial.length)
        return replace(trial, target=target, paused=False)
    value = math.nan if draw.random() < 0.1 else draw.choice((draw.random(), 0.5))
    trial = replace(trial, values=(*trial.values, value))
    if trial.epochs == trial.length and not trial.diverged:
        return replace(trial, target=None, complete=True)
    over = trial.epochs == trial.target or trial.diverged
    return replace(trial, target=None, paused=not trial.diverged) if over else trial


@pytest.mark.parametrize("seed", range(5))
def test_rungs_brought_up_to_date_are_those_of_the_trials_alone(seed: int) -> None:
    """Studies drawn by lot: after each change the kept rungs decide as new ones do."""
    draw = random.Random(seed)
    trials: list[TrialView] = []
    kept = RULE.rungs_of(trials)
    for _ in range(150):
        if draw.random() < 0.4 or not trials:
            length = draw.choice((9, 9, 9, 5))
            trials.append(TrialView(len(trials), (), length, target=1, exempt=not trials))
        for number in draw.sample(range(len(trials)), min(3, len(trials))):
            trials[number] = moved(trials[number], draw)
        if draw.random() < 0.02:
            trials.pop(draw.randrange(len(trials)))  # turned out to be a copy
            trials = [replace(trial, number=n) for n, trial in enumerate(trials)]
        kept.update(trials)
        new = RULE.rungs_of(trials)
        assert kept.rungs == new.rungs
        assert (kept.running, kept.promised) == (new.running, new.promised)
        left = float(draw.randrange(60))
        for limits in (Limits(3), Limits(0, left, left), Limits(5, left, 8.0, 2, timed=True)):
            assert RULE.decide_at(kept, limits) == RULE.decide(trials, limits)


def test_concordance_is_kendalls() -> None:
    draw = random.Random(1)
    for _ in range(50):
        points = [(float(draw.randrange(5)), float(draw.randrange(5))) for _ in range(9)]
        signs = [
            math.copysign(1, a[0] - b[0]) * math.copysign(1, a[1] - b[1])
            for a, b in itertools.combinations(points, 2)
            if a[0] != b[0] and a[1] != b[1]
        ]
        assert concordance(points) == (sum(signs), len(signs))
