"""The verdict: what fresh seeds say of the search's best, and what finding and confirming cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from search.common.statistics import mean
from search.record.trials import is_copy
from search.reporting.blocks import BEST, Section, Table, section, table_of
from search.reporting.format import NOTHING, count, figure, heading, time_span
from search.reporting.study_data import StudyData
from search.reporting.verdict import beside, luck, plus_minus, sentence, signed_plus_minus, state
from search.strategy.confirmation import Row
from search.strategy.confirmed import RECIPE, Confirmation, value_of
from trainers.metrics import Metric

ENERGY = "gpu_energy_kj"


def verdict(data: StudyData) -> Section | None:
    """Above all others: one sentence."""
    if data.confirmation is None or not (data.confirming or data.verdict):
        return None
    blocks = [confirmed(data), spent(data)]
    return section("verdict", "Verdict", blocks, lead(data))


def lead(data: StudyData) -> str:
    """The verdict, the published figure and the luck, or how far the confirmation is; "" where
    there is none."""
    if data.confirmation is None or not (data.confirming or data.verdict):
        return ""
    if data.verdict is None:
        return f"{state(data.confirmation)}."
    scale = "" if data.at_report_scale else " (at its own scale)"
    words = (sentence(data.verdict), beside(data.verdict, data.recipe_references, scale))
    return " ".join(f"{part}." for part in (*words, luck(data.verdict)) if part)


def confirmed(data: StudyData) -> Table | None:
    """One row for each setting that got fresh seeds."""
    found = data.confirmation
    if found is None or not data.confirming:
        return None
    metric = data.verdict.metric if data.verdict else found.metric
    choice = found.rule.choose(found.values())
    rows = []
    for number in (RECIPE, *found.rule.candidates):
        is_recipe = number == RECIPE
        judged = is_recipe or number == choice.winner
        chosen_by = [] if is_recipe else _values(found, number, found.rule.choosing, found.metric)
        cells = {
            "setting": _whose(number, choice.winner, choice.dropped),
            f"{data.objective.label} in the search": _searched(data, number),
            "seeds that choose": count(len(chosen_by)) if chosen_by else NOTHING,
            f"their {data.objective.label}": _mean(found.metric, chosen_by),
            "seeds that judge": NOTHING,
            f"their {metric.label}": NOTHING,
            "over the recipe": NOTHING,
        }
        if judged:
            ours = _values(found, number, found.rule.judging, metric)
            cells["seeds that judge"] = count(len(ours)) if ours else NOTHING
            cells[f"their {metric.label}"] = _mean(metric, ours)
            gain = data.verdict.gain if data.verdict and not is_recipe else None
            cells["over the recipe"] = NOTHING if gain is None else signed_plus_minus(metric, gain)
        rows.append((cells, BEST if number == choice.winner else "recipe" if is_recipe else ""))
    caption = (
        "Mean ± half of the 95 % interval over seeds (Student's t; differences seed by seed, in "
        "pairs). Some seeds choose among the search's best, others judge the choice and the "
        "recipe; a seed sets weights, order, augmentation and the validation split. The intervals "
        "hold the noise of training, not that of another test set."
    )
    return table_of("Confirmed with fresh seeds", rows, caption)


def _whose(number: int, winner: int | None, dropped: Mapping[int, int]) -> str:
    if number == RECIPE:
        return "the recipe"
    if number == winner:
        return f"trial {number}, chosen"
    if number in dropped:
        return f"trial {number}, dropped after {dropped[number]} seeds"
    return f"trial {number}"


def _searched(data: StudyData, number: int) -> str:
    value = value_of(data.frozen[number])
    return figure(data.objective.name, value)


def _values(found: Confirmation, number: int, seeds: Sequence[int], metric: Metric) -> list[float]:
    """Of the seeds that have ended with a figure."""
    ended = [found.ended(Row(number, seed)) for seed in seeds]
    values = [_figure(trial, metric, found.metric) for trial in ended if trial is not None]
    return [value for value in values if math.isfinite(value)]


def _figure(trial: FrozenTrial, metric: Metric, objective: Metric) -> float:
    if metric is objective:
        return value_of(trial)
    return float(trial.user_attrs.get(metric.name, math.nan))


def _mean(metric: Metric, values: Sequence[float]) -> str:
    return plus_minus(metric, mean(values)) if values else NOTHING


def spent(data: StudyData) -> Table | None:
    """What search and confirmation cost, per trial and in all."""
    stages = [("search", data.frozen), ("confirmation", data.confirming)]
    rows = [(_cost(name, trials), "") for name, trials in stages if trials]
    if len(rows) > 1:
        rows.append((_cost("together", (*data.frozen, *data.confirming)), ""))
    shared = (
        "Energy is the whole card's while a trial was at work: where trials share a card, each "
        "counts it."
    )
    has_energy = any(row[heading(ENERGY)] != NOTHING for row, _ in rows)
    return table_of("What it cost", rows, shared if has_energy else "", drop_empty=True)


def _cost(name: str, trials: Sequence[FrozenTrial]) -> dict[str, str]:
    """Copies were answered from the record, and cost nothing."""
    trained = [t for t in trials if t.intermediate_values and not is_copy(t)]
    epochs = sum(len(trial.intermediate_values) for trial in trained)
    seconds = _sum(trained, "wall_seconds")
    energy = _sum(trained, ENERGY)
    return {
        "": name,
        "trials": count(len(trained)),
        "epochs": count(epochs),
        "epochs a trial": f"{epochs / max(1, len(trained)):.1f}",
        "workers' time": time_span(seconds or None),
        "time a trial": time_span(seconds / len(trained) if seconds else None),
        heading(ENERGY): figure(ENERGY, energy or None),
        f"{heading(ENERGY)} a trial": figure(ENERGY, energy / len(trained) if energy else None),
    }


def _sum(trials: Sequence[FrozenTrial], name: str) -> float:
    values = [trial.user_attrs.get(name) for trial in trials]
    return sum(float(value) for value in values if isinstance(value, (int, float)))
