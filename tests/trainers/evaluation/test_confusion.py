"""Precision, recall and F1 by hand and against scikit-learn; what is read of older files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from trainers.evaluation.confusion import ClassScores, Confusion


def confusion_of(matrix: Any) -> Confusion:
    cells = ((i, j, int(n)) for (i, j), n in np.ndenumerate(np.array(matrix)) if n)
    return Confusion(len(matrix), tuple(cells))


def class_scores(matrix: tuple[tuple[int, ...], ...]) -> ClassScores:
    return confusion_of(matrix).scores()


def test_scores_are_those_of_scikit_learn() -> None:
    matrix = np.random.default_rng(0).integers(0, 4, (6, 6))
    matrix[:, 2] = matrix[4] = matrix[:, 5] = matrix[5] = 0  # unnamed; without images; both
    labels, called = np.indices(matrix.shape).reshape(2, -1).repeat(matrix.ravel(), axis=1)
    expected = precision_recall_fscore_support(labels, called, labels=range(6), zero_division=0)
    found = confusion_of(matrix).scores()
    for ours, theirs in zip((found.precision, found.recall, found.f1), expected, strict=False):
        assert ours == pytest.approx(tuple(100 * theirs))
    assert found.images == tuple(matrix.sum(axis=1))
    macro = precision_recall_fscore_support(labels, called, average="macro", zero_division=0)
    assert found.means() == pytest.approx(tuple(100 * value for value in macro[:3]))


def test_cells_give_the_matrix_again() -> None:
    matrix = [[3, 0, 1], [0, 0, 0], [0, 2, 5]]
    found = confusion_of(matrix)
    assert found.cells == ((0, 0, 3), (0, 2, 1), (2, 1, 2), (2, 2, 5))
    content = {"classes": ["a", "b", "c"], "cells": [list(cell) for cell in found.cells]}
    assert Confusion.from_mapping(content) == found
    assert found.matrix().tolist() == matrix


@pytest.mark.parametrize("content", [{}, {"cells": 3}, {"cells": [[1]]}, {"cells": [[0, 1, 2]]}])
def test_what_is_no_confusion_is_refused(content: dict) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Confusion.from_mapping({"classes": ["a"], **content})


def test_two_classes_by_hand() -> None:
    scores = class_scores(((8, 2), (4, 6)))
    assert scores.precision == pytest.approx((100 * 8 / 12, 100 * 6 / 8))
    assert scores.recall == pytest.approx((80, 60))
    assert scores.f1 == pytest.approx((100 * 16 / 22, 100 * 12 / 18))
    assert scores.means()[0] == pytest.approx((100 * 8 / 12 + 75) / 2)
    assert scores.means()[1] == pytest.approx(70)


def test_what_never_occurs_counts_as_nothing() -> None:
    scores = class_scores(((5, 0, 0), (5, 0, 0), (0, 0, 0)))
    assert scores.precision == pytest.approx((50, 0, 0))
    assert scores.recall == pytest.approx((100, 0, 0))
    assert scores.f1 == pytest.approx((100 * 10 / 15, 0, 0))
