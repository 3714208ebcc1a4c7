"""The re-evaluation with new seeds: which settings were trained again, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from search.common.statistics import mean
from search.record.trials import BASELINE as TRIAL_0
from search.reporting.blocks import BASELINE, BEST, PLAIN, Section, Table, section, table_of
from search.reporting.comparison import references_table, results_table
from search.reporting.format import NOTHING, count, figure
from search.reporting.study_data import StudyData
from search.reporting.verdict import plus_minus, signed_plus_minus
from search.strategy.reevaluation import Reevaluation, Row, value_of
from trainers.metrics import Metric


def reevaluation(data: StudyData) -> Section | None:
    """Return the evidence for the banner's sentence."""
    blocks = [seeds_table(data), results_table(data), references_table(data)]
    return section("evidence", "Evidence", blocks)


def seeds_table(data: StudyData) -> Table | None:
    """Return one row for each setting that was trained with new seeds."""
    found = data.reevaluation
    if found is None or not data.confirming:
        return None
    metric = data.verdict.metric if data.verdict else found.metric
    choice = found.rule.choose(found.values())
    rows = []
    for number in (TRIAL_0, *found.rule.candidates):
        is_baseline = number == TRIAL_0
        judged = is_baseline or number == choice.winner
        selected = [] if is_baseline else _values(found, number, found.rule.choosing, found.metric)
        evaluated = _values(found, number, found.rule.judging, metric) if judged else []
        gain = data.verdict.gain if data.verdict and judged and not is_baseline else None
        cells = {
            "setting": _whose(number, choice.winner, choice.dropped),
            f"{data.objective.label}, search": _searched(data, number),
            "selection seeds": count(len(selected)) if selected else NOTHING,
            data.objective.label: _mean(found.metric, selected),
            "evaluation seeds": count(len(evaluated)) if evaluated else NOTHING,
            f"{metric.label}, evaluation": _mean(metric, evaluated),
            "Δ vs. baseline": NOTHING if gain is None else signed_plus_minus(metric, gain),
        }
        mark = BEST if number == choice.winner else BASELINE if is_baseline else PLAIN
        rows.append((cells, mark))
    caption = (
        "Mean ± half of the 95 % CI over seeds (Student's t; differences are paired by seed). "
        "Selection seeds choose among the search's best, evaluation seeds compare the choice with "
        "the baseline; a seed sets weights, order, augmentation and the validation split. "
        "Intervals reflect training noise, not test-set sampling."
    )
    return table_of("Re-evaluation with new seeds", rows, caption)


def _whose(number: int, winner: int | None, dropped: Mapping[int, int]) -> str:
    if number == TRIAL_0:
        return "baseline"
    if number == winner:
        return f"trial {number}, chosen"
    after = f", dropped after {dropped[number]} seeds" if number in dropped else ""
    return f"trial {number}{after}"


def _searched(data: StudyData, number: int) -> str:
    return figure(data.objective.name, value_of(data.frozen[number]))


def _values(found: Reevaluation, number: int, seeds: Sequence[int], metric: Metric) -> list[float]:
    """Return the values of the seeds that have ended with a figure."""
    ended = [found.ended(Row(number, seed)) for seed in seeds]
    values = [_figure(trial, metric, found.metric) for trial in ended if trial is not None]
    return [value for value in values if math.isfinite(value)]


def _figure(trial: FrozenTrial, metric: Metric, objective: Metric) -> float:
    if metric is objective:
        return value_of(trial)
    return float(trial.user_attrs.get(metric.name, math.nan))


def _mean(metric: Metric, values: Sequence[float]) -> str:
    return plus_minus(metric, mean(values)) if values else NOTHING
