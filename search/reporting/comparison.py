"""A trial beside the recipe and the report's figures: what a search ends with."""

from __future__ import annotations

from optuna.trial import FrozenTrial

from search.common.formatting import number
from search.record.record import StudyRecord
from search.record.trials import reference_values
from search.reporting.blocks import CHANGED, PLAIN, RULE, Row, Table
from search.reporting.format import figure
from search.reporting.verdict import plus_minus
from search.strategy.verdict import Verdict
from trainers.metrics import METRICS, TEST, VALIDATION, find_metric

TESTED = ("test_top1", "test_top5", "test_loss")


def comparison(
    name: str,
    record: StudyRecord,
    best: FrozenTrial,
    recipe: FrozenTrial,
    verdict: Verdict | None = None,
) -> Table:
    """Parameters and figures side by side; the best trial's changes are marked, the objective
    begins the figures."""
    references = reference_figures(record)
    chosen = "best" if verdict is None or verdict.winner is None else "chosen"
    headings = ["", f"{chosen}: trial {best.number}", "trial 0: the recipe"]
    rows = []
    for parameter, value in best.params.items():
        old = recipe.params.get(parameter)
        mark = PLAIN if value == old else CHANGED
        rows.append(([parameter, number(value), number(old)], mark))
    objective = METRICS[record.objectives[0]]
    images = record.images(objective.split) if objective.unit == "%" else None
    values = [figure(objective.name, t.value, images) for t in (best, recipe)]
    rows.append(([objective.heading, *values], RULE))
    for metric in map(METRICS.__getitem__, TESTED):
        images = record.images(TEST) if metric.unit == "%" else None
        found = [trial.user_attrs.get(metric.name) for trial in (best, recipe)]
        if found == [None, None] and metric.name not in references:
            continue  # a training function of the user's own measures what it likes
        cells = [metric.heading, *(figure(metric.name, value, images) for value in found)]
        rows.append(([*cells, references.get(metric.name, "")], PLAIN))
    if verdict is not None and verdict.chosen and verdict.recipe:
        means = [plus_minus(verdict.metric, mean) for mean in (verdict.chosen, verdict.recipe)]
        label = f"{verdict.metric.heading}, {verdict.seeds} fresh seeds"
        rows.append(([label, *means], PLAIN))
    headings += ["reference"] if references else []
    width = len(headings)
    return Table(
        f"{name}: {record.space.title}",
        tuple(headings),
        tuple(Row((*cells, "")[:width], mark) for cells, mark in rows),
        _caption(record),
    )


def _caption(record: StudyRecord) -> str:
    on_data = f" on {record.data.name}" if record.data.name else ""
    caption = f"{record.space.preset} preset{on_data}"
    validation, test = (record.images(split) for split in (VALIDATION, TEST))
    if validation and test:
        caption += f"; 95 % intervals of one run on {validation:,} validation, {test:,} test images"
    if reference_figures(record):
        caption += f"; reference: {record.space.source}"
        if record.space.preset != "full":
            caption += " at its own scale, for orientation only"
    return caption


def reference_figures(record: StudyRecord) -> dict[str, str]:
    """The report's figures for its recipe, by metric."""
    found = reference_values(record.references)
    return {metric: find_metric(metric).format(value) for metric, value in found.items()}
