"""Precision, recall and F1 of each class, from a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClassScores:
    """Percentages, one a class; what has no image or was never named counts as 0."""

    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]

    def means(self) -> tuple[float, float, float]:
        """Precision, recall and F1, each the plain mean over the classes (macro average)."""
        precision, recall, f1 = (float(np.mean(v)) for v in (self.precision, self.recall, self.f1))
        return precision, recall, f1


def class_scores(confusion: Sequence[Sequence[int]]) -> ClassScores:
    """``confusion[i][j]`` counts images of class i that were called j."""
    from sklearn.metrics import precision_recall_fscore_support

    counts = np.asarray(confusion)
    labels, called = np.indices(counts.shape).reshape(2, -1)
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, called, sample_weight=counts.ravel(), zero_division=0
    )
    return ClassScores(*(tuple((100 * values).tolist()) for values in (precision, recall, f1)))
