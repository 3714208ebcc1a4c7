"""The chosen trial beside the baseline and the published figures: what a search ends with.

The chosen trial is the verdict's; the search's best where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from search.reporting.blocks import (
    CHANGED,
    PLAIN,
    RULE,
    Row,
    Table,
    drop_empty_columns,
    table_of,
)
from search.reporting.format import NOTHING, figure, heading, missing, setting, signed
from search.reporting.study_data import StudyData
from search.reporting.verdict import plus_minus
from trainers.metrics import find_metric

COMPARED = ("test_top1", "test_top5", "test_loss", "test_loss_batch_sum")
COSTS = ("parameters", "seconds", "best_epoch")
NOT_OF_A_TRIAL = {"class", "layer"}  # settings with a table of their own, or with none here


def comparison(data: StudyData) -> Table | None:
    """Return what changed and what came of it in one table, for the terminal and a notebook."""
    if data.choice is None:
        return None
    changes, results = config_diff(data), results_table(data)
    assert results is not None
    width, shown = len(results.headings), min(3, len(changes.headings))
    rows = [Row((*row.cells[:shown], *[""] * width)[:width], row.mark) for row in changes.rows]
    first, *others = results.rows
    rows += [Row(first.cells, RULE), *others]
    return Table(f"{data.name}: {_title(data)}", results.headings, tuple(rows), results.caption)


def _title(data: StudyData) -> str:
    return data.record.space.title if data.record else "result"


def choice_word(data: StudyData) -> str:
    """Return whether new seeds chose the trial, or the search alone."""
    return "chosen" if data.verdict and data.verdict.winner is not None else "best"


def config_diff(data: StudyData) -> Table:
    """Return the parameters, baseline's and chosen trial's, what changed marked."""
    choice, baseline = data.choice, data.baseline
    assert choice is not None
    if baseline is None or choice is baseline:
        rows = [Row((name, setting(value))) for name, value in choice.params.items()]
        word = "baseline" if choice is baseline else choice_word(data)
        return Table(f"Config: {word}", ("parameter", word), tuple(rows))
    rows = []
    for name, value in choice.params.items():
        old = baseline.params.get(name)
        mark = PLAIN if value == old else CHANGED
        rows.append(Row((name, setting(old), setting(value), _factor(old, value)), mark))
    title = f"Config diff: baseline → {choice_word(data)}"
    return Table(title, ("parameter", "baseline", choice_word(data), "change"), tuple(rows))


def _factor(old: Any, new: Any) -> str:
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (old, new))
    if old == new:
        return "same"
    return f"× {new / old:.3g}" if numbers and old > 0 and new > 0 else "changed"


def results_table(data: StudyData) -> Table | None:
    """Return the figures of baseline, chosen trial and publication side by side."""
    word, choice = choice_word(data), data.choice
    alone = " and the best" if choice is data.baseline else ""
    columns = [(f"baseline{alone}: trial 0", data.baseline)]
    if choice is not data.baseline and choice is not None:
        columns.append((f"{word}: trial {choice.number}", choice))
    shown = [(name, data.row(trial)) for name, trial in columns if trial is not None]
    if not shown:
        return None
    objective = data.objective
    found = [(objective.heading, objective.name, [row["best_value"] for _, row in shown])]
    found += [(heading(m), m, [row[m] for _, row in shown]) for m in (*COMPARED, *COSTS)]
    rows = []
    for words, metric, values in found:
        reference = data.baseline_references.get(metric)
        if all(map(missing, values)) and reference is None:
            continue
        cells = [data.figure(metric, value) for value in values]
        rows.append(Row((words, *cells, _difference(metric, values), figure(metric, reference))))
    rows += _over_seeds(data, len(shown))
    headings = ("", *(name for name, _ in shown), "difference", "published")
    table = Table("Baseline, best and published", headings, tuple(rows), _caption(data))
    return drop_empty_columns(table)


def _over_seeds(data: StudyData, columns: int) -> list[Row]:
    """Return the means over the evaluation seeds, where there is a verdict."""
    verdict = data.verdict
    if verdict is None or not (verdict.chosen and verdict.baseline) or columns != 2:
        return []
    means = [plus_minus(verdict.metric, mean) for mean in (verdict.baseline, verdict.chosen)]
    gap = verdict.chosen.estimate - verdict.baseline.estimate
    label = f"{verdict.metric.heading}, mean of {verdict.seeds} new seeds"
    return [Row((label, *means, signed(verdict.metric, gap), NOTHING))]


def _difference(metric: str, values: Sequence[Any]) -> str:
    if len(values) < 2 or any(map(missing, values)) or metric in COSTS:
        return ""
    return signed(metric, values[1] - values[0])


def _caption(data: StudyData) -> str:
    record = data.record
    if record is None:
        return data.interval_note
    dataset = f" on {record.data.name}" if record.data.name else ""
    words = f"Preset {record.space.preset}{dataset}."
    if data.baseline_references:
        words += f" Published: {record.space.source or 'the report'}"
        scale = ", at its own scale, for orientation only"
        words += f"{'' if data.at_report_scale else scale}."
    return " ".join(filter(None, (words, data.interval_note)))


def references_table(data: StudyData) -> Table | None:
    """Return every published figure beside the trial with just that setting, if there is one."""
    rows = []
    for reference in data.references:
        if NOT_OF_A_TRIAL & set(reference.setting):
            continue
        trial = _trial_with(data, reference.setting)
        ours = None if trial is None else _measured(data.row(trial), reference.metric)
        words = ", ".join(f"{k} = {setting(v)}" for k, v in reference.setting.items())
        cells = {
            "figure": heading(reference.metric),
            "configuration": words or "baseline",
            "published": figure(reference.metric, reference.value),
            "this study": data.figure(reference.metric, ours),
            "trial": NOTHING if trial is None else str(trial.number),
            "source": reference.source,
        }
        rows.append((cells, "" if trial is None or trial is not data.best else "best"))
    caption = "This study: the completed trial with the baseline's values and just this changed."
    return table_of("All published figures", rows, caption, (0, 1, 5))


def _measured(row: pd.Series, name: str) -> Any:
    """Return a trial's figure by the name that references have for it; None where it has none."""
    return 100 - row["test_top1"] if name == "test_error" else row.get(find_metric(name).name)


def _trial_with(data: StudyData, changed: Mapping[str, Any]) -> FrozenTrial | None:
    """Return the completed trial that is the baseline but for ``changed``."""
    assert data.record is not None  # it has references
    baseline, fixed = data.record.space.baseline, data.record.space.fixed
    for name, value in changed.items():
        if name not in baseline and fixed.get(name) != value:
            return None
    wanted = {name: changed.get(name, value) for name, value in baseline.items()}
    for trial in data.frozen:
        if trial.state == TrialState.COMPLETE and trial.params == wanted:
            return trial
    return None
