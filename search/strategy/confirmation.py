"""Confirmation: the best settings of a search are trained again, with fresh seeds.

Some seeds choose: one by one, all candidates with the same seed, and who is clearly worse than the
best is dropped. Other seeds judge: the chosen setting and the recipe, in pairs. The best of several
noisy figures is too high, by fresh seeds too; but no run that judges has had a part in choosing, so
the difference of the pairs is not, and its interval holds what it says however many candidates
there were. All of this is a pure function of what is on record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from search.common.statistics import paired_difference
from trainers.seeds import derive_seed

FIRST_TEST = 2  # seeds; one says nothing of its noise
FEWEST_SEEDS = 2  # that judge, for the same reason
SEEDS = 2**31  # below which a seed lies: Optuna keeps integers as floating-point numbers


class Row(NamedTuple):
    """One training: the setting of the search's ``trial``, with another ``seed``."""

    trial: int
    seed: int


# Rows that have ended: the objective, turned such that higher is better, NaN where there is none.
Values = Mapping[Row, float]


@dataclass(frozen=True)
class Choice:
    """``winner`` is None while ``rows`` are not all on record, and where no candidate stood.
    ``dropped``: candidate → seeds after which it was."""

    winner: int | None
    rows: tuple[Row, ...]
    dropped: Mapping[int, int]


@dataclass(frozen=True)
class ConfirmationRule:
    """``candidates`` are trials of the search, the best first, ``recipe`` is the recipe's own;
    ``choosing`` and ``judging`` are seeds, all different."""

    candidates: tuple[int, ...]
    recipe: int
    choosing: tuple[int, ...]
    judging: tuple[int, ...]

    def rows(self, values: Values) -> list[Row]:
        """All trainings that are needed as far as ``values`` tell, in the order in which they are
        best begun. The recipe's never wait for the choice."""
        choice = self.choose(values)
        rows = list(choice.rows)
        for seed in self.judging:
            if choice.winner is not None:
                rows.append(Row(choice.winner, seed))
            rows.append(Row(self.recipe, seed))
        return rows

    def choose(self, values: Values) -> Choice:
        """The candidate with the best mean over the choosing seeds, of those that were not dropped
        on the way; of equals the one that was ahead before."""
        alive, dropped, rows = list(self.candidates), dict[int, int](), list[Row]()
        for done, seed in enumerate(self.choosing, start=1):
            if len(alive) < 2:
                break
            rows += [Row(candidate, seed) for candidate in alive]
            if done < min(FIRST_TEST, len(self.choosing)):
                continue
            if any(row not in values for row in rows):
                return Choice(None, tuple(rows), dropped)
            known = {c: [values[Row(c, s)] for s in self.choosing[:done]] for c in alive}
            alive = contenders(known)
            dropped |= {c: done for c in known if c not in alive}
        return Choice(alive[0] if alive else None, tuple(rows), dropped)


def contenders(known: Mapping[int, Sequence[float]]) -> list[int]:
    """The candidates, the best mean first, whose values the best one's do not beat beyond doubt,
    by a paired 95 % interval. Whoever has no value with some seed is worse than all.

    It is asked after each seed, without a correction for that: a candidate that is dropped by
    chance is a poorer choice, but the seeds that judge do not know of it.
    """
    finite = [c for c, values in known.items() if all(map(math.isfinite, values))]
    ordered = sorted(finite, key=lambda c: -fmean(known[c]))
    return [c for c in ordered if not paired_difference(known[ordered[0]], known[c]).low > 0]


def choosing_seeds(seed: int, judging: int) -> tuple[int, ...]:
    """About half as many as judge: a wrong choice among near-equals costs little."""
    return tuple(_fresh(seed, "choose", i) for i in range((judging + 1) // 2))


def judging_seeds(seed: int, number: int) -> tuple[int, ...]:
    """``number`` seeds that follow from the recipe's; more of them begin with the same."""
    return tuple(_fresh(seed, "judge", i) for i in range(number))


def _fresh(seed: int, *purpose: object) -> int:
    return derive_seed(seed, "confirm", *purpose) % SEEDS


def most_trainings(candidates: int, judging: int) -> int:
    """Of a confirmation in which nobody is dropped, for whoever plans its time."""
    choosing = (judging + 1) // 2 if candidates > 1 else 0
    return candidates * choosing + 2 * judging if candidates else 0
