"""Verdicts on simulated studies whose truth is known."""

from __future__ import annotations

import pytest

from benchmarks.verdict_coverage import WORLDS, Simulated, World, confirm
from search.strategy.verdict import WINS, outcome

STUDIES = 200


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_intervals_hold_the_truth_as_often_as_they_say(world: World) -> None:
    found = [confirm(Simulated(world, seed)) for seed in range(STUDIES)]
    held = sum(truth in gain for gain, truth in found)
    assert 0.93 * STUDIES <= held <= 0.97 * STUDIES


def test_a_winner_that_equals_the_baseline_rarely_wins() -> None:
    gains = [confirm(Simulated(WORLDS[0], seed))[0] for seed in range(STUDIES)]
    assert sum(outcome(gain) == WINS for gain in gains) <= 0.05 * STUDIES
