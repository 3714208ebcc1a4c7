"""How often the promotion rule leaves a better trial behind: an estimate from its audits.

One in twenty arrivals at a rung goes on to the next by lot. Of those that the rule would have left
behind, some turn out to belong to the best there: they are a random sample of all left behind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from search.record.record import StudyRecord
from search.strategy.promotion import PromotionRule
from search.strategy.pruners import PROMOTION
from search.strategy.rungs import Rungs, TrialView, views
from trainers.metrics import METRICS

FEWEST = 10  # audits, of which an interval says something
NORMAL_95 = 1.96


@dataclass(frozen=True)
class Audit:
    """``hits`` of ``audited`` trials that would have been left behind belong to the best 1 rung
    later."""

    hits: int
    audited: int

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share of hits (Wilson 1927)."""
        n = self.audited
        share, z = self.hits / n, NORMAL_95**2 / n
        middle = (share + z / 2) / (1 + z)
        half = NORMAL_95 * math.sqrt(share * (1 - share) / n + z / (4 * n)) / (1 + z)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        if self.audited < FEWEST:
            return (
                f"Audit of the promotion rule: {self.audited} trials that it would have left "
                "behind went on by lot, too few to say how often it leaves a better one"
            )
        low, high = (100 * bound for bound in self.interval())
        return (
            f"Audit of the promotion rule: of the trials that it leaves behind, {self.hits} of "
            f"{self.audited} that went on by lot would have gone on again "
            f"({100 * self.hits / self.audited:.0f} %, 95 % interval {low:.0f} to {high:.0f} %)"
        )


def audit(rule: PromotionRule, trials: Sequence[TrialView]) -> Audit:
    """Trials that by now have earned no place for themselves, and those of them who have one at
    the next rung; at the last: who is better than all."""
    rungs = Rungs(rule.rungs, trials)
    shares = rule.shares(rungs, rule.power)
    hits = audited = 0
    for trial in trials:
        if trial.audited not in rule.rungs:
            continue
        level = rule.rungs.index(trial.audited)
        if trial.number not in rungs[level + 1].reached:
            continue
        if rungs[level].rank(trial.number) < shares[level] * rungs[level].arrived:
            continue
        audited += 1
        kept = 1
        if level + 1 < rungs.last:
            kept = max(1, int(shares[level + 1] * rungs[level + 1].arrived))
        hits += rungs[level + 1].rank(trial.number) < kept
    return Audit(hits, audited)


def audit_of(record: StudyRecord, trials: Iterable[FrozenTrial]) -> Audit | None:
    """Of a study; None where its trials do not pause."""
    if record.strategy.pruner != PROMOTION:
        return None
    recipe: dict[str, Any] = {**record.space.recipe, **record.space.baseline}
    metric = METRICS[record.objectives[0]]
    seen = views(trials, recipe, record.space.baseline, metric)
    return audit(PromotionRule(int(recipe["epochs"])), seen)
