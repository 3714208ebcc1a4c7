"""The verdict on a search: whether its best setting beats the baseline, with fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from search.common.statistics import Interval, mean
from search.record.trials import BASELINE
from search.strategy.reevaluation import Reevaluation, Row, value_of
from trainers.metrics import METRICS, TEST, TEST_OF, Metric

WINS, NO_DIFFERENCE, NOTHING_BEATS = "wins", "no difference", "nothing beats"


@dataclass(frozen=True)
class Verdict:
    """What the seeds that judge say of trial ``winner`` of the search.

    ``gain`` is that over the baseline by pairs, in ``metric``'s unit, above 0 where the winner is
    better; ``chosen`` and ``baseline`` are the means of both. ``confirmed`` is the winner's mean
    objective, where the search had ``searched``. ``seeds`` are those that judge; with some of them
    the winner (``lost``) or the baseline (``baseline_lost``) diverged or failed: those are in no
    pair. Where no setting stood, ``winner`` is None; without a pair so is ``gain``.
    """

    outcome: str
    metric: Metric
    objective: Metric
    seeds: int
    winner: int | None = None
    gain: Interval | None = None
    chosen: Interval | None = None
    baseline: Interval | None = None
    searched: float = math.nan
    confirmed: Interval | None = None
    lost: int = 0
    baseline_lost: int = 0


def outcome(gain: Interval) -> str:
    """Return what ``gain`` says: above 0 is better."""
    if gain.low > 0:
        return WINS
    return NO_DIFFERENCE if gain.estimate > 0 else NOTHING_BEATS


def chosen_trial(
    verdict: Verdict | None, searched: Sequence[FrozenTrial], best: FrozenTrial | None
) -> FrozenTrial | None:
    """Return what new seeds chose of the trials of the search; ``best`` where there was no
    re-evaluation, or no setting stood."""
    return best if verdict is None or verdict.winner is None else searched[verdict.winner]


def judge(reevaluation: Reevaluation, searched: Sequence[FrozenTrial]) -> Verdict | None:
    """Return the verdict, None while trainings are to come. The test set is looked at here, and
    nothing is chosen after that."""
    if reevaluation.to_come():
        return None
    rule, objective = reevaluation.rule, reevaluation.metric
    winner = rule.choose(reevaluation.values()).winner
    baseline = [reevaluation.ended(Row(BASELINE, seed)) for seed in rule.judging]
    if winner is None:
        return Verdict(NOTHING_BEATS, objective, objective, len(rule.judging))
    chosen = [reevaluation.ended(Row(winner, seed)) for seed in rule.judging]
    metric = _judged_by(objective, [*baseline, *chosen])
    ours, theirs = _figures(metric, chosen), _figures(metric, baseline)
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if math.isfinite(a + b)]
    gain = mean([metric.sign * (b - a) for a, b in pairs]) if pairs else None
    lost, baseline_lost = (sum(map(math.isnan, values)) for values in (ours, theirs))
    found = NO_DIFFERENCE if gain is None or lost > baseline_lost else outcome(gain)
    return Verdict(
        found,
        metric,
        objective,
        len(rule.judging),
        winner,
        gain,
        _mean(ours),
        _mean(theirs),
        value_of(searched[winner]),
        _mean(_figures(objective, chosen)),
        lost,
        baseline_lost,
    )


def _judged_by(objective: Metric, trials: Sequence[FrozenTrial | None]) -> Metric:
    """Return the objective as measured on the test set; where there is no such figure, the
    objective: no run with an evaluation seed has had a part in choosing."""
    test = TEST_OF.get(objective.name)
    measured = test and any(trial and test in trial.user_attrs for trial in trials)
    return METRICS[test] if test and measured else objective


def _figures(metric: Metric, trials: Sequence[FrozenTrial | None]) -> list[float]:
    """Return the figures seed by seed, NaN where there is none."""
    found = []
    for trial in trials:
        value = math.nan if trial is None else value_of(trial)
        if trial is not None and metric.split == TEST and math.isfinite(value):
            value = float(trial.user_attrs.get(metric.name, math.nan))
        found.append(value)
    return found


def _mean(values: Sequence[float]) -> Interval | None:
    finite = [value for value in values if math.isfinite(value)]
    return mean(finite) if finite else None
