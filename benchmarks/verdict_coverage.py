"""Whether verdicts are true: simulated studies whose truth is known, with the noise of seeds.

    python -m benchmarks.verdict_coverage

A study tries settings whose expected accuracy is known, its search ranks them by one noisy run
each, and the best are confirmed by the rule that real studies follow. A run's noise has a part that
all settings share with a seed, one of its own that validation and test share, and one of either.
"ours" is the share of 95 % intervals of the gain that hold the true gain on the test set, or the
share of winners that are no better than the baseline of which "wins" is said; "peer" is the same
where all seeds choose and judge, which is what a plain comparison of repeats does. Ratio, low and
high are ours with its own interval, as a share of 0.95, or of 0.05.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from benchmarks.harness import Aim, Case, Options, main
from search.common.statistics import Interval, paired_difference, share
from search.strategy.reevaluation import (
    ReevaluationRule,
    Row,
    choosing_seeds,
    judging_seeds,
)
from search.strategy.verdict import WINS, outcome

SETTINGS, CANDIDATES, JUDGING = 48, 3, 5
SHARED, OWN, SPLIT = 0.5, 0.5, 0.7  # standard deviations, in points of accuracy
BASELINE = -1  # its number; the others' are places in ``truths``


@dataclass(frozen=True)
class World:
    """``spread`` of the settings' true accuracies around the baseline's; ``heavy``: now and then a
    seed is far off."""

    name: str
    spread: float
    heavy: bool = False


WORLDS = (
    World("every setting equals baseline", 0.0),
    World("settings differ by about the noise", 0.5),
    World("settings differ by far more", 3.0),
    World("about the noise, with outliers", 0.5, heavy=True),
)


class Simulated:
    """A study; ``truths`` are the settings' true gains over the baseline."""

    def __init__(self, world: World, seed: int):
        self._random = np.random.default_rng([seed, len(world.name)])
        self._heavy = world.heavy
        self.truths = self._random.normal(0, world.spread, SETTINGS)
        self._shared: dict[int, float] = {}
        self.validation: dict[Row, float] = {}
        self.test: dict[Row, float] = {}

    def train(self, row: Row) -> None:
        if row in self.validation:
            return
        shared = self._shared.setdefault(row.seed, self._noise(SHARED))
        true = 0.0 if row.trial == BASELINE else float(self.truths[row.trial])
        run = true + shared + self._noise(OWN)
        self.validation[row] = run + self._noise(SPLIT)
        self.test[row] = run + self._noise(SPLIT / 2)

    def best(self, number: int) -> tuple[int, ...]:
        """As the search sees them, by one run each with the same seed."""
        rows = [Row(setting, 0) for setting in range(SETTINGS)]
        for row in rows:
            self.train(row)
        return tuple(sorted(range(SETTINGS), key=lambda i: -self.validation[rows[i]])[:number])

    def _noise(self, deviation: float) -> float:
        if self._heavy:  # of 5 degrees of freedom, whose variance is 5/3
            return float(deviation * self._random.standard_t(5) * 0.6**0.5)
        return float(self._random.normal(0, deviation))


def confirm(study: Simulated) -> tuple[Interval, float]:
    """The gain that the rule finds, and the true one."""
    seeds = choosing_seeds(1, JUDGING), judging_seeds(1, JUDGING)
    rule = ReevaluationRule(study.best(CANDIDATES), BASELINE, *seeds)
    while missing := [row for row in rule.rows(study.validation) if row not in study.validation]:
        for row in missing:
            study.train(row)
    winner = rule.choose(study.validation).winner
    assert winner is not None
    return _gain(study, winner, rule.judging), float(study.truths[winner])


def confirm_plainly(study: Simulated) -> tuple[Interval, float]:
    """The same where the seeds that choose judge too."""
    candidates, seeds = study.best(CANDIDATES), judging_seeds(1, JUDGING)
    for seed in seeds:
        for setting in (*candidates, BASELINE):
            study.train(Row(setting, seed))
    winner = max(candidates, key=lambda c: fmean(study.validation[Row(c, s)] for s in seeds))
    return _gain(study, winner, seeds), float(study.truths[winner])


def _gain(study: Simulated, winner: int, seeds: Sequence[int]) -> Interval:
    ours = [study.test[Row(winner, seed)] for seed in seeds]
    return paired_difference(ours, [study.test[Row(BASELINE, seed)] for seed in seeds])


def cases(options: Options) -> list[Case]:
    studies = options.of(2000, 200)
    return [case for world in WORLDS for case in _cases(world, studies)]


def _cases(world: World, studies: int) -> list[Case]:
    found = [confirm(Simulated(world, seed)) for seed in range(studies)]
    plain = [confirm_plainly(Simulated(world, seed)) for seed in range(studies)]
    held = [sum(truth in gain for gain, truth in results) for results in (found, plain)]
    made = [_case(f"{world.name}: interval holds the truth", held, studies, 0.95, Aim("≈", 1))]
    if world.spread == 0:
        won = [sum(outcome(gain) == WINS for gain, _ in results) for results in (found, plain)]
        name = f'{world.name}: "wins" is said'
        made.append(_case(name, won, studies, 0.05, Aim("≤", 1)))
    return made


def _case(name: str, hits: Sequence[int], studies: int, wanted: float, aim: Aim) -> Case:
    ours, peer = (share(hit, studies) for hit in hits)
    ratio, low, high = (figure / wanted for figure in (ours.estimate, ours.low, ours.high))
    return Case(name, "share", ours.estimate, peer.estimate, ratio, low, high, aim)


if __name__ == "__main__":
    sys.exit(main("verdict_coverage", "verdicts on simulated studies of known truth", cases))
