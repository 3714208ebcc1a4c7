"""What the best network gets wrong: confusion, precision, recall, F1; pictures where there are."""

from __future__ import annotations

import numpy as np

from search.reporting.chart import Axis, Chart, Heat, chart
from search.reporting.evaluations import Evaluation, read_evaluation
from search.reporting.section import Block, Picture, Section, section
from search.reporting.sections.curves import main_trials
from search.reporting.sections.lr_range import lr_range_chart
from search.reporting.study_data import StudyData
from search.reporting.table import RULE, Row, Table
from search.reporting.texts import count, percent

MOST_CLASSES = 24
MOST_LABELS = 40
LARGEST_PICTURE = 3_000_000  # bytes


def evaluation(data: StudyData) -> Section | None:
    """Section 5 of the page."""
    blocks: list[Block | None] = []
    lead = ""
    if data.best is not None:
        found = read_evaluation(data.folder, data.best.number)
        if found is not None:
            lead = "The best trial on the test set, with the weights of its best epoch."
            blocks += [confusion_chart(found, data.best.number), scores(found)]
    blocks += [lr_range_chart(data), *feature_maps(data)]
    return section("evaluation", "Evaluation", blocks, lead)


def confusion_chart(found: Evaluation, number: int) -> Chart | None:
    """Shares of each row, so that classes of any size compare."""
    shares = 100 * found.confusion / np.maximum(1, found.images)[:, None]
    few = len(found.classes) <= MOST_CLASSES
    texts = [[f"{n}" if n and few else "" for n in row] for row in found.confusion]
    labels = found.classes if len(found.classes) <= MOST_LABELS else ()
    heat = Heat(
        "",
        Axis("predicted class", labels=labels),
        Axis("true class", labels=labels),
        tuple(tuple(map(float, row)) for row in shares),
        tuple(map(tuple, texts)),
        height=max(360, min(760, 120 + 30 * len(found.classes))),
    )
    caption = "Images, coloured by the share (%) of their row." if few else "Share (%) of the row."
    title = f"Confusion matrix, trial {number}"
    return chart("confusion", title, [heat], caption)


def scores(found: Evaluation) -> Table:
    """Precision, recall and F1 of each class and their means; of many, the worst by F1."""
    order = np.arange(len(found.classes))
    caption = "Macro: the mean over classes."
    if len(order) > MOST_CLASSES:
        order = np.argsort(np.nan_to_num(found.f1, nan=np.inf))[:MOST_CLASSES]
        caption += f" The {MOST_CLASSES} classes with the lowest F1 of {len(found.classes)}."
    columns = (found.precision, found.recall, found.f1)
    rows = [
        Row((found.classes[i], *(percent(c[i]) for c in columns), count(found.images[i])))
        for i in order
    ]
    means = [percent(np.nanmean(c) if np.isfinite(c).any() else None) for c in columns]
    rows.append(Row(("macro", *means, count(found.images.sum())), RULE))
    headings = ("class", "precision (%)", "recall (%)", "F1 (%)", "images")
    return Table("Precision, recall, F1", headings, tuple(rows), caption)


def feature_maps(data: StudyData) -> list[Picture]:
    """The pictures in the folders of the recipe and the best."""
    found = []
    for name, role, trial in main_trials(data):
        path = data.folder.feature_maps(trial.number)
        if path.is_file() and path.stat().st_size <= LARGEST_PICTURE:
            found.append(Picture(f"feature-maps-{role}", f"Feature maps: {name}", path))
    return found
