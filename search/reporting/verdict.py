"""The verdict on a search in words: the same in the terminal, the reports and the dashboard."""

from __future__ import annotations

import math
from collections.abc import Mapping

from search.common.statistics import Interval
from search.strategy.confirmation import most_trainings
from search.strategy.confirmed import Confirmation
from search.strategy.verdict import NOTHING_BEATS, WINS, Verdict
from trainers.metrics import Metric


def sentence(verdict: Verdict) -> str:
    """``Trial 7 wins over the recipe by 3.10 ± 0.80 points (95 %, 5 seeds, test top-1)``."""
    if verdict.winner is None:
        return (
            "Nothing beats the recipe: with fresh seeds every other setting that came into "
            "question diverged or failed"
        )
    trial, gain = f"trial {verdict.winner}", verdict.gain
    if gain is None:
        return f"No difference could be measured: no seed has both {trial} and the recipe"
    how = f"(95 %, {gain.n} seeds, {verdict.metric.label}){_lost(verdict)}"
    unit = " points" if verdict.metric.unit == "%" else ""
    if verdict.outcome == WINS:
        size = f"{plus_minus(verdict.metric, gain)}{unit}"
        return f"T{trial[1:]} wins over the recipe by {size} {how}"
    signed = f"{signed_plus_minus(verdict.metric, gain)}{unit}"
    if verdict.outcome == NOTHING_BEATS:
        return f"Nothing beats the recipe: {trial}, the best other setting, is at {signed} {how}"
    return f"No difference was shown between {trial} and the recipe: {signed} {how}"


def _lost(verdict: Verdict) -> str:
    parts = [
        f"{whose} diverged or failed with {lost} of {verdict.seeds} seeds"
        for whose, lost in (("it", verdict.lost), ("the recipe", verdict.recipe_lost))
        if lost
    ]
    return f"; {' and '.join(parts)}" if parts else ""


def plus_minus(metric: Metric, interval: Interval) -> str:
    """``71.24 ± 0.71``, without the unit; ∞ where one seed is all there is."""
    half = "∞" if math.isinf(interval.half) else metric.format(interval.half)
    return f"{metric.format(interval.estimate)} ± {half}"


def signed_plus_minus(metric: Metric, interval: Interval) -> str:
    """``+3.10 ± 0.80``."""
    text = plus_minus(metric, interval)
    return f"−{text[1:]}" if text.startswith("-") else f"+{text}"


def quantity(metric: Metric, interval: Interval) -> str:
    """``71.24 ± 0.71 %``."""
    return f"{plus_minus(metric, interval)} {metric.unit}".rstrip()


def beside(verdict: Verdict, references: Mapping[str, float], scale: str = "") -> str:
    """The published figure of the recipe, and whether it lies in the recipe's interval; "" where
    there is none. ``scale`` says what it is for where it was measured on something else."""
    published = references.get(verdict.metric.name)
    if published is None or verdict.recipe is None:
        return ""
    where = "inside" if published in verdict.recipe else "outside"
    return (
        f"Published for the recipe: {verdict.metric.quantity(published)}{scale}, {where} its "
        f"interval here, {quantity(verdict.metric, verdict.recipe)} over {verdict.recipe.n} seeds"
    )


def luck(verdict: Verdict) -> str:
    """How much of the winner's figure in the search was luck."""
    if verdict.confirmed is None or math.isnan(verdict.searched):
        return ""
    metric, found = verdict.objective, verdict.confirmed
    gone = -metric.sign * (verdict.searched - found.estimate)
    unit = " points" if metric.unit == "%" else ""
    share = f"{metric.format(gone)}{unit} of it were luck" if gone > 0 else "none of it was luck"
    return (
        f"In the search trial {verdict.winner} had {metric.described(verdict.searched)}, with "
        f"fresh seeds it has {quantity(metric, found)}: {share}"
    )


def state(confirmation: Confirmation) -> str:
    """How far a confirmation is that has no verdict yet."""
    rule, done = confirmation.rule, len(confirmation.values())
    most = most_trainings(len(rule.candidates), len(rule.judging))
    return f"Not confirmed yet: {done} of up to {most} trainings with fresh seeds have ended"
