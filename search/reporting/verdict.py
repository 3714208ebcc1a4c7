"""The verdict on a search in words: the same in the terminal, the reports and the dashboard."""

from __future__ import annotations

import math
from collections.abc import Mapping

from search.common.statistics import Interval
from search.reporting.format import signed
from search.strategy.reevaluation import Reevaluation, most_trainings
from search.strategy.verdict import NO_DIFFERENCE, NOTHING_BEATS, WINS, Verdict
from trainers.metrics import Metric

HEADLINES = {
    WINS: "Better than the baseline",
    NO_DIFFERENCE: "Inconclusive",
    NOTHING_BEATS: "No improvement",
}
TONES = {WINS: "good", NO_DIFFERENCE: "neutral", NOTHING_BEATS: "bad"}


def sentence(verdict: Verdict) -> str:
    """Return ``Trial 7 beats the baseline: +3.10 ± 0.80 points (95 % CI, 5 seeds, test top-1)``,
    or that nothing does, or that no difference is significant."""
    if verdict.winner is None:
        return "Nothing beats the baseline: with new seeds every other setting diverged or failed"
    trial, gain = f"trial {verdict.winner}", verdict.gain
    if gain is None:
        return f"No difference could be measured: no seed has both {trial} and the baseline"
    how = f"(95 % CI, {gain.n} seeds, {verdict.metric.label}){_lost(verdict)}"
    size = f"{signed_plus_minus(verdict.metric, gain)}{points(verdict.metric)}"
    if verdict.outcome == WINS:
        return f"T{trial[1:]} beats the baseline: {size} {how}"
    if verdict.outcome == NOTHING_BEATS:
        return f"Nothing beats the baseline: {trial}, the best other setting, is at {size} {how}"
    return f"No significant difference between {trial} and the baseline: {size} {how}"


def _lost(verdict: Verdict) -> str:
    parts = [
        f"{whose} diverged or failed with {lost} of {verdict.seeds} seeds"
        for whose, lost in (("it", verdict.lost), ("the baseline", verdict.baseline_lost))
        if lost
    ]
    return f"; {' and '.join(parts)}" if parts else ""


def points(metric: Metric) -> str:
    """Return the unit of a difference, with a blank before it."""
    return " points" if metric.unit == "%" else ""


def plus_minus(metric: Metric, interval: Interval) -> str:
    """Return ``71.24 ± 0.71``, without the unit; ∞ where one seed is all there is."""
    half = "∞" if math.isinf(interval.half) else metric.format(interval.half)
    return f"{metric.format(interval.estimate)} ± {half}"


def signed_plus_minus(metric: Metric, interval: Interval) -> str:
    """Return ``+3.10 ± 0.80``."""
    half = plus_minus(metric, interval).partition(" ± ")[2]
    return f"{signed(metric, interval.estimate)} ± {half}"


def quantity(metric: Metric, interval: Interval) -> str:
    """Return ``71.24 ± 0.71 %``."""
    return f"{plus_minus(metric, interval)} {metric.unit}".rstrip()


def beside(verdict: Verdict, references: Mapping[str, float], scale: str = "") -> str:
    """Return the published figure of the baseline, and whether it lies in the baseline's interval;
    "" where there is none. ``scale`` says what it is for where it was measured on something
    else."""
    published = references.get(verdict.metric.name)
    if published is None or verdict.baseline is None:
        return ""
    where = "inside" if published in verdict.baseline else "outside"
    return (
        f"Published for the baseline: {verdict.metric.quantity(published)}{scale}, {where} its "
        f"interval here, {quantity(verdict.metric, verdict.baseline)} over "
        f"{verdict.baseline.n} seeds"
    )


def regression(verdict: Verdict) -> str:
    """Return how the winner's figure in the search compares with that of new seeds: the search
    chose it because it was high."""
    if verdict.confirmed is None or math.isnan(verdict.searched):
        return ""
    metric, found = verdict.objective, verdict.confirmed
    gone = -metric.sign * (verdict.searched - found.estimate)
    noise = " (within noise)" if verdict.searched in found else ""
    dropped = f"dropped {metric.format(gone)}{points(metric)} on new seeds{noise}"
    return (
        f"Trial {verdict.winner} had {metric.described(verdict.searched)} in the search and has "
        f"{quantity(metric, found)} with new seeds: {dropped if gone > 0 else 'no drop'}"
    )


def state(reevaluation: Reevaluation) -> str:
    """Return how far a re-evaluation is that has no verdict yet."""
    rule, done = reevaluation.rule, len(reevaluation.values())
    most = most_trainings(len(rule.candidates), len(rule.judging))
    return f"Re-evaluation under way: {done} of up to {most} trainings with new seeds have ended"


def verdict_lines(verdict: Verdict, references: Mapping[str, float], full_scale: bool) -> list[str]:
    """Return the verdict, the published figure and the drop on new seeds, a sentence each."""
    scale = "" if full_scale else " (at its own scale)"
    words = (sentence(verdict), beside(verdict, references, scale), regression(verdict))
    return [text for text in words if text]
