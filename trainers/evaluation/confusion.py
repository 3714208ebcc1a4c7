"""Which class was called what, without the cells that are empty. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ClassScores:
    """Percentages, one per class, and the numbers of images and of answers. What has no image or
    was never named counts as 0, as with scikit-learn's ``zero_division=0``."""

    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    images: tuple[int, ...]
    named: tuple[int, ...]

    def means(self) -> tuple[float, float, float]:
        """Return precision, recall and F1, each the plain mean over the classes (macro average)
        that have an image or were named, as scikit-learn takes it."""
        present = (np.array(self.images) + np.array(self.named)) > 0
        columns = (self.precision, self.recall, self.f1)
        precision, recall, f1 = (float(np.mean(np.array(v)[present])) for v in columns)
        return precision, recall, f1


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix. ``cells`` are (label, called, images), sorted: as many as there are
    images at most, however many ``classes`` there are."""

    classes: int
    cells: tuple[tuple[int, int, int], ...]

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Confusion:
        """Return the matrix of a test.json. Raises ``ValueError``, ``KeyError`` and
        ``TypeError``."""
        classes = len(content["classes"])
        cells = tuple((int(i), int(j), int(n)) for i, j, n in content["cells"])
        if any(not (0 <= i < classes and 0 <= j < classes and n > 0) for i, j, n in cells):
            raise ValueError(f"a cell is outside of {classes} classes, or empty")
        return cls(classes, cells)

    def matrix(self) -> np.ndarray:
        """Return the matrix, (classes, classes) int64, empty cells and all."""
        dense = np.zeros((self.classes, self.classes), np.int64)
        labels, called, counts = self._columns()
        dense[labels, called] = counts
        return dense

    def scores(self) -> ClassScores:
        labels, called, counts = self._columns()
        right, images, named = (
            np.bincount(index, counts * share, self.classes)
            for index, share in ((labels, labels == called), (labels, 1), (called, 1))
        )
        shares = (right / np.maximum(1, n) for n in (named, images, (images + named) / 2))
        precision, recall, f1 = (tuple((100 * share).tolist()) for share in shares)
        whole = (tuple(n.astype(int).tolist()) for n in (images, named))
        return ClassScores(precision, recall, f1, *whole)

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels, called, counts = np.array(self.cells, np.int64).reshape(-1, 3).T
        return labels, called, counts
