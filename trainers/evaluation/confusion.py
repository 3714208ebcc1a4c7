"""Which class was called what, without the cells that are empty. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ClassScores:
    """Percentages, one a class, and its number of images. What has no image or was never named
    counts as 0, as with scikit-learn's ``zero_division=0``."""

    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    images: tuple[int, ...]

    def means(self) -> tuple[float, float, float]:
        """Precision, recall and F1, each the plain mean over the classes (macro average)."""
        precision, recall, f1 = (float(np.mean(v)) for v in (self.precision, self.recall, self.f1))
        return precision, recall, f1


@dataclass(frozen=True)
class Confusion:
    """``cells`` are (label, called, images), sorted: as many as there are images at most, however
    many ``classes`` there are."""

    classes: int
    cells: tuple[tuple[int, int, int], ...]

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Confusion:
        """From a test.json; the first release wrote the whole matrix. Raises ``ValueError``,
        ``KeyError`` or ``TypeError`` where it is neither."""
        classes = len(content["classes"])
        if "confusion" in content:
            return cls.from_matrix(
                np.array(content["confusion"], np.int64).reshape(classes, classes)
            )
        cells = tuple((int(i), int(j), int(n)) for i, j, n in content["cells"])
        if any(not (0 <= i < classes and 0 <= j < classes and n > 0) for i, j, n in cells):
            raise ValueError(f"a cell is outside of {classes} classes, or empty")
        return cls(classes, cells)

    @classmethod
    def from_matrix(cls, matrix: np.ndarray) -> Confusion:
        """``matrix[i, j]`` counts images of class i that were called j."""
        labels, called = np.nonzero(matrix)
        counts = matrix[labels, called]
        cells = zip(labels.tolist(), called.tolist(), counts.tolist(), strict=True)
        return cls(len(matrix), tuple(cells))

    def matrix(self) -> np.ndarray:
        """(classes, classes) int64, empty cells and all."""
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
        return ClassScores(precision, recall, f1, tuple(images.astype(int).tolist()))

    def _columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels, called, counts = np.array(self.cells, np.int64).reshape(-1, 3).T
        return labels, called, counts
