"""Precision, recall and F1 are scikit-learn's; damaged files are no evaluation."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import precision_recall_fscore_support

from search.common.layout import BEST_WEIGHTS, CHECKPOINTS, StudyFolder
from search.reporting.sections.evaluation import confusion_chart, read_counts, scores_table
from search.terminal.evaluation_tables import print_evaluation
from tests.search.reporting import studies
from trainers.evaluation.confusion import Confusion


def test_scores_are_those_of_scikit_learn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    confusion = random.integers(0, 9, (5, 5))
    folder = StudyFolder(tmp_path, "s")
    studies.write_evaluation(folder, 3, confusion.tolist(), tuple("abcde"))
    found = read_counts(folder, 3)
    assert found is not None
    true, called = np.indices((5, 5)).reshape(2, 25).repeat(confusion.ravel(), axis=1)
    precision, recall, f1, images = precision_recall_fscore_support(true, called)
    np.testing.assert_allclose(found.scores.precision, 100 * precision)
    np.testing.assert_allclose(found.scores.recall, 100 * recall)
    np.testing.assert_allclose(found.scores.f1, 100 * f1)
    np.testing.assert_array_equal(found.scores.images, images)


def test_a_class_never_predicted_counts_as_zero_as_in_the_terminal(tmp_path: Path) -> None:
    """Precision 80 % of one class and none of the other: 40 % in the mean, wherever it is shown."""
    folder = StudyFolder(tmp_path, "s")
    studies.write_evaluation(folder, 0, ((8, 0), (2, 0)), ("a", "b"))
    found = read_counts(folder, 0)
    assert found is not None
    table = scores_table(found)
    rows = {row.cells[0]: row.cells[1:] for row in table.rows}
    assert rows["b"] == ("0.00", "0.00", "0.00", "2")
    assert rows["macro"][0] == "40.00"
    assert "a class never predicted counts as 0" in table.caption
    terminal = Console(file=io.StringIO(), width=200)
    evaluation: Any = SimpleNamespace(
        figures=dict, top1=80.0, images=10, confusion=Confusion(2, ((0, 0, 8), (1, 0, 2)))
    )
    summary: Any = SimpleNamespace(parameters=1, macs=1, macs_with_norm_and_pool=1)
    print_evaluation(terminal, evaluation, ("a", "b"), summary, {}, ())
    text = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"precision, mean of classes \(%\) +40.00", text)


def test_ten_thousand_classes_show_the_worst_and_the_best(tmp_path: Path) -> None:
    """In tables as long as for twenty, and without a matrix that nobody could read."""
    from search.reporting.sections.evaluation import ClassCounts

    n = 10_000
    right = [(i, i, i) for i in range(1, n)]
    wrong = [(i, (i + 1) % n, n - i) for i in range(n)]
    found = ClassCounts(tuple(f"c{i}" for i in range(n)), Confusion(n, tuple(right + wrong)))
    table = scores_table(found)
    assert len(table.rows) == 21
    assert [row.cells[0] for row in table.rows[:2]] == ["c0", "c1"]
    assert table.rows[19].cells[0] == "c9999"
    assert "Of 10,000 classes the 10 worst and the 10 best" in table.caption
    assert confusion_chart(found, 0) is None
    terminal = Console(file=io.StringIO(), width=200)
    evaluation: Any = SimpleNamespace(figures=dict, top1=50.0, images=5, confusion=found.confusion)
    summary: Any = SimpleNamespace(parameters=1, macs=1, macs_with_norm_and_pool=1)
    print_evaluation(terminal, evaluation, found.classes, summary, {}, ())
    assert len(terminal.file.getvalue().splitlines()) < 50  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"classes": ["a"], "cells": [[1, 2]]}',
        '{"classes": [], "cells": [[0, 0, 1]]}',
        '{"classes": ["a"], "cells": "x"}',
        '{"classes": ["a", "b"], "cells": [[0, 2, 1]]}',
    ],
)
def test_a_damaged_file_is_no_evaluation(text: str, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path, "s")
    folder.trial(0).mkdir(parents=True)
    folder.evaluation(0).write_text(text)
    assert read_counts(folder, 0) is None


def test_the_files_are_called_as_the_trainer_calls_them(tmp_path: Path) -> None:
    from trainers.runs.checkpoint import LATEST, PREVIOUS
    from trainers.runs.history import HISTORY
    from trainers.runs.training_run import BEST, TEST

    folder = StudyFolder(tmp_path, "s")
    assert folder.history(0).name == HISTORY
    assert folder.evaluation(0).name == TEST
    assert (*CHECKPOINTS, BEST_WEIGHTS) == (LATEST, PREVIOUS, BEST)
