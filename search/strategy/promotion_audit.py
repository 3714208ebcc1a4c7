"""How often the promotion rule leaves a better trial behind: an estimate from its audits.

One in twenty arrivals at a rung goes on to the next by lot. Of those that the rule would have left
behind, some turn out to belong to the best there: they are a random sample of all left behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from search.common.statistics import share
from search.record.record import StudyRecord
from search.strategy.promotion import PromotionRule
from search.strategy.pruners import PROMOTION
from search.strategy.rungs import TrialView, Views
from trainers.metrics import METRICS

FEWEST = 10  # audits, of which an interval says something


@dataclass(frozen=True)
class Audit:
    """``hits`` of ``audited`` trials that would have been left behind belong to the best 1 rung
    later."""

    hits: int
    audited: int

    def __str__(self) -> str:
        if self.audited < FEWEST:
            return (
                f"Audit of the promotion rule: {self.audited} trials that it would have left "
                "behind went on by lot, too few to say how often it leaves a better one"
            )
        found = share(self.hits, self.audited)
        return (
            f"Audit of the promotion rule: of the trials that it leaves behind, {self.hits} of "
            f"{self.audited} that went on by lot would have gone on again "
            f"({100 * found.estimate:.0f} %, 95 % interval {100 * found.low:.0f} to "
            f"{100 * found.high:.0f} %)"
        )


def audit(rule: PromotionRule, trials: Sequence[TrialView]) -> Audit:
    """Trials that by now have earned no place for themselves, and those of them who have one at
    the next rung; at the last: who is better than all."""
    rungs = rule.rungs_of(trials)
    shares = rule.shares(rungs, rule.power)
    hits = audited = 0
    for trial in trials:
        if trial.audited not in rule.rungs:
            continue
        level = rule.rungs.index(trial.audited)
        if not rungs.is_at(level + 1, trial):
            continue
        if rungs.rank(level, trial) < shares[level] * rungs[level].arrived:
            continue
        audited += 1
        kept = 1
        if level + 1 < rungs.last:
            kept = max(1, int(shares[level + 1] * rungs[level + 1].arrived))
        hits += rungs.rank(level + 1, trial) < kept
    return Audit(hits, audited)


def audit_of(record: StudyRecord, trials: Iterable[FrozenTrial]) -> Audit | None:
    """Of a study; None where its trials do not pause."""
    if record.strategy.pruner != PROMOTION:
        return None
    recipe: dict[str, Any] = {**record.space.recipe, **record.space.baseline}
    metric = METRICS[record.objectives[0]]
    seen = Views(recipe, record.space.baseline, metric).of(trials)
    return audit(PromotionRule(int(recipe["epochs"])), seen)
