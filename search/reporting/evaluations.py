"""The test set's figures of one trial, from its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from search.common.layout import StudyFolder
from trainers.evaluation.confusion import Confusion


@dataclass(frozen=True)
class Evaluation:
    """``confusion[i, j]``: images of class i that were called j. Shares are in %.

    A class without images has no recall, one that was never named no precision: NaN.
    """

    classes: tuple[str, ...]
    confusion: np.ndarray

    @property
    def recall(self) -> np.ndarray:
        """Accuracy of each class."""
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return _shares(2 * self.confusion.diagonal(), both)

    @property
    def images(self) -> np.ndarray:
        return self.confusion.sum(axis=1)


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(100.0 * part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def read_evaluation(folder: StudyFolder, number: int) -> Evaluation | None:
    """The figures of trial ``number``; None where there are none, or the file is damaged."""
    try:
        content = json.loads(folder.evaluation(number).read_text(encoding="utf-8"))
        classes = tuple(map(str, content["classes"]))
        confusion = Confusion.from_mapping(content).matrix()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if confusion.shape != (len(classes), len(classes)) or not classes:
        return None
    return Evaluation(classes, confusion)
