"""Which trainings a re-evaluation needs: a pure function of what is on record."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pytest

from search.strategy.reevaluation import (
    ReevaluationRule,
    Row,
    choosing_seeds,
    contenders,
    judging_seeds,
    most_trainings,
)

BASELINE = 0
RULE = ReevaluationRule((7, 3, 5), BASELINE, (11, 12, 13), (21, 22, 23, 24, 25))


def run(rule: ReevaluationRule, figures: Mapping[int, list[float]], order: int = 0) -> list[Row]:
    """All rows, one trained at a time of those that are needed, in some ``order``."""
    return list(trained(rule, figures, order))


def trained(
    rule: ReevaluationRule, figures: Mapping[int, list[float]], order: int = 0
) -> dict[Row, float]:
    """What the rows came to; ``figures`` are a trial's values with its choosing seeds."""
    values: dict[Row, float] = {}
    lot = random.Random(order)
    while missing := [row for row in rule.rows(values) if row not in values]:
        row = lot.choice(missing)
        at = rule.choosing.index(row.seed) if row.seed in rule.choosing else 0
        values[row] = figures[row.trial][at]
    return values


FIGURES = {BASELINE: [70.0], 7: [80.0, 80.2, 79.9], 3: [81.0, 80.9, 81.1], 5: [60.0, 60.1, 59.9]}


def test_seeds_choose_first_and_others_judge_the_choice_and_the_baseline() -> None:
    rows = run(RULE, FIGURES)
    judged = [row for row in rows if row.seed in RULE.judging]
    pairs = {Row(trial, seed) for trial in (3, BASELINE) for seed in RULE.judging}
    assert set(judged) == pairs
    assert len(judged) == 10
    assert not {row.trial for row in rows if row.seed in RULE.choosing} & {BASELINE}


def test_who_is_clearly_worse_gets_no_further_seed() -> None:
    """60 against 81 after two seeds, with a spread of 0.1; 80 against 81 is in doubt until the
    third."""
    choice = RULE.choose(trained(RULE, FIGURES))
    assert choice.winner == 3
    assert choice.dropped[5] == 2
    assert Row(5, 13) not in choice.rows
    assert Row(7, 13) in choice.rows


@pytest.mark.parametrize("order", range(20))
def test_the_order_in_which_trainings_end_changes_nothing(order: int) -> None:
    assert set(run(RULE, FIGURES, order)) == set(run(RULE, FIGURES))


def test_the_baseline_waits_for_no_choice() -> None:
    rows = RULE.rows({})
    assert rows[:6] == [Row(c, s) for s in (11, 12) for c in (7, 3, 5)]
    assert rows[6:] == [Row(BASELINE, seed) for seed in RULE.judging]


def test_nothing_is_chosen_before_all_have_their_seeds() -> None:
    values = dict.fromkeys(RULE.rows({})[:5], 80.0)
    assert RULE.choose(values).winner is None


def test_a_single_candidate_needs_no_choice() -> None:
    rule = ReevaluationRule((7,), BASELINE, (11,), (21, 22))
    assert rule.rows({}) == [Row(7, 21), Row(BASELINE, 21), Row(7, 22), Row(BASELINE, 22)]


def test_who_diverged_with_some_seed_is_not_chosen() -> None:
    figures = {**FIGURES, 3: [81.0, math.nan, 81.0]}
    rows = run(RULE, figures)
    assert {row.trial for row in rows if row.seed in RULE.judging} == {7, BASELINE}
    all_diverge = {c: [math.nan] * 3 for c in (7, 3, 5)} | {BASELINE: [70.0]}
    rows = run(RULE, all_diverge)
    assert {row.trial for row in rows if row.seed in RULE.judging} == {BASELINE}


def test_equals_keep_the_searchs_order() -> None:
    rule = ReevaluationRule((7, 3), BASELINE, (11,), (21, 22))
    assert rule.choose({Row(7, 11): 80.0, Row(3, 11): 80.0}).winner == 7


def test_contenders_come_best_first() -> None:
    known = {1: [1.0, 2.0], 2: [3.0, 2.0], 3: [2.0, 2.0]}
    assert contenders(known) == [2, 3, 1]
    assert contenders({1: [math.nan], 2: [math.nan]}) == []


def test_seeds_are_fresh_and_more_begin_with_the_same() -> None:
    assert judging_seeds(17, 8)[:5] == judging_seeds(17, 5)
    assert choosing_seeds(17, 9)[:2] == choosing_seeds(17, 3)
    seeds = [*choosing_seeds(17, 40), *judging_seeds(17, 40), *judging_seeds(18, 40), 17, 0]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(
    ("candidates", "judging", "trainings"), [(3, 5, 19), (1, 5, 10), (0, 5, 0)]
)
def test_its_cost_is_known_before(candidates: int, judging: int, trainings: int) -> None:
    assert most_trainings(candidates, judging) == trainings
    numbers = tuple(range(1, candidates + 1))
    seeds = choosing_seeds(0, judging), judging_seeds(0, judging)
    if candidates:
        rule = ReevaluationRule(numbers, BASELINE, *seeds)
        lot = random.Random(0)
        noisy = {c: [lot.gauss(0, 1) for _ in range(3)] for c in (BASELINE, *numbers)}
        assert len(run(rule, noisy)) == trainings
