"""The first screen: the answer, what to change, best so far, the search in a few figures."""

from __future__ import annotations

import json

from search.common.secrets import command_without_secrets
from search.common.statistics import accuracy_difference
from search.reporting.blocks import Banner, Block, Chart, Commands, Section, Tiles, chart, section
from search.reporting.comparison import config_diff
from search.reporting.figures import COMPLETE, add_line, new_figure
from search.reporting.format import count, signed, time_span, whole_percent
from search.reporting.sections.trials import replay_command
from search.reporting.spent import best_so_far
from search.reporting.study_data import StudyData
from search.reporting.trial_points import add_trials
from search.reporting.verdict import (
    HEADLINES,
    TONES,
    plus_minus,
    quantity,
    state,
    verdict_lines,
)

MOST_TIES = 5


def overview(data: StudyData) -> Section | None:
    diff = None if data.choice is None else config_diff(data)
    blocks: list[Block | None] = [
        banner(data),
        tiles(data),
        diff,
        history_chart(data),
        commands(data),
    ]
    return section("overview", "Result", blocks)


def banner(data: StudyData) -> Banner:
    """Return the verdict, the published figure and the drop on new seeds; how far the
    re-evaluation is, or the search's best, where there is no verdict yet."""
    verdict, words = data.verdict, search_best(data)
    if verdict is not None:
        text, *notes = verdict_lines(verdict, data.baseline_references, data.at_report_scale)
        gain = verdict.gain
        interval = None if gain is None else (gain.low, gain.estimate, gain.high)
        headline, tone = HEADLINES[verdict.outcome], TONES[verdict.outcome]
        return Banner(headline, f"{text}.", tone, interval, tuple(f"{note}." for note in notes))
    if data.best is None:
        failed = data.spent.failed
        if failed and failed == data.spent.ended:
            return Banner("All trials failed", f"{count(failed)} of {count(failed)} trials.", "bad")
        return Banner("No result yet", words)
    if data.reevaluation is not None and data.confirming:
        return Banner("Not decided yet", f"{state(data.reevaluation)}.", notes=(words,))
    return Banner("Search result, one run each", words)


def answer(data: StudyData) -> str:
    """Return the banner's sentences in one text."""
    found = banner(data)
    return " ".join((found.text, *found.notes))


def search_best(data: StudyData) -> str:
    """Return the search's best in a sentence, with its noise."""
    best, baseline, objective = data.best, data.baseline, data.objective
    if best is None or best.value is None:
        return "No trial has completed yet."
    if best is baseline:
        words = f"The baseline itself is the best of {data.spent.completed} completed trials"
    else:
        words = f"Trial {best.number} is the best of {data.spent.completed} completed trials"
    if baseline is None or baseline.value is None or best is baseline:
        words = f"{words}, with {objective.described(best.value)}"
    else:
        words = f"{words}: {_gain(data, best.value, baseline.value)}"
    return f"{words}{_ties(data)}."


def _gain(data: StudyData, best: float, baseline: float) -> str:
    """Return ``+6.62 points of validation top-1 over the baseline on 287 validation images (95 %
    CI: +3.52 to +9.80)``."""
    objective, images = data.objective, data.validation_images
    unit = " points of" if objective.unit == "%" else " of"
    words = f"{signed(objective, best - baseline)}{unit} {objective.label} vs. baseline"
    if images is None:
        return words
    words += f" on {images:,} validation images"
    if objective.unit != "%":
        return f"{words}, one run each"
    found = accuracy_difference(best, baseline, images)
    low, high = (signed(objective, bound) for bound in (found.low, found.high))
    doubt = ", not significant" if 0 in found else ""
    return f"{words} (95 % CI: {low} to {high}{doubt})"


def _ties(data: StudyData) -> str:
    others = [t.number for t in data.ranked[1:] if t.value == data.ranked[0].value]
    if not others:
        return ""
    more = f" and {len(others) - MOST_TIES} more" if len(others) > MOST_TIES else ""
    trials = "trial" if len(others) == 1 else "trials"
    return f", tied with {trials} {', '.join(map(str, others[:MOST_TIES]))}{more}"


def tiles(data: StudyData) -> Tiles:
    """Return the search in a few figures, the one over new seeds first: the search's own is
    optimistic, for the search chose it."""
    spent, verdict, best, items = data.spent, data.verdict, data.best, []
    if verdict is not None and verdict.chosen is not None:
        word = f"trial {verdict.winner}, {verdict.seeds} new seeds"
        if verdict.baseline is not None:
            word += f"; baseline {plus_minus(verdict.metric, verdict.baseline)}"
        items.append((verdict.metric.label, quantity(verdict.metric, verdict.chosen), word))
    if best is not None and best.value is not None:
        word = f"trial {best.number}, one run"
        if verdict is not None:
            word += ", optimistic: it was chosen by this"
        label = f"best {data.objective.label}"
        items.append((label, data.objective.quantity(best.value), word))
    states = [f"{spent.completed} completed", f"{spent.pruned} pruned"]
    states += [f"{spent.failed} failed"] if spent.failed else []
    items.append(("trials", count(spent.ended), ", ".join(states)))
    saved = f"{whole_percent(spent.saved_share)} % saved by pruning" if spent.epochs_saved else ""
    items.append(("epochs", count(spent.epochs_trained), saved))
    starts, ends = data.trials["start"].min(), data.trials["end"].max()
    if ends == ends and starts == starts:  # NaT is not itself
        wall = time_span((ends - starts).total_seconds())
        items.append(("wall time", wall, f"worker time {time_span(spent.seconds or None)}"))
    return Tiles(tuple(items))


def commands(data: StudyData) -> Commands | None:
    """Return what to do with the result, to be copied."""
    if data.choice is None:
        return None
    items, number = [], data.choice.number
    if data.record is not None:
        items.append(("train this again", f"{replay_command(data)}{number}"))
    yaml = "\n".join(f"{name}: {json.dumps(value)}" for name, value in data.choice.params.items())
    items += [("as YAML", yaml)] if yaml else []
    if data.record is not None and data.record.provenance.command:
        items.append(("resume", command_without_secrets(data.record.provenance.command)))
    return Commands("Commands", tuple(items))


def history_chart(data: StudyData) -> Chart | None:
    """Return each completed trial and the best so far against the epochs trained by then."""
    ended = best_so_far(data)
    figure = new_figure("", "epochs trained, all trials", data.objective.heading, 300)
    if len(ended):
        x, y = ended["epochs_spent"].tolist(), ended["best"].tolist()
        add_line(figure, x, y, "best so far", COMPLETE, shape="hv", width=1.5)
        figure.data[-1].update(hoverinfo="skip", hovertemplate=None)  # the points on it are trials
        done = ended[ended["state"] == "COMPLETE"]
        add_trials(figure, data, done, "epochs_spent", "value")
        figure.update_xaxes(rangemode="tozero")
    return chart("history", "Best so far", [figure])
