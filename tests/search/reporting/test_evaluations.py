"""Precision, recall and F1 are scikit-learn's; damaged files are no evaluation."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from search.common.layout import StudyFolder
from search.reporting.evaluations import read_evaluation


def test_scores_are_those_of_scikit_learn(studies: ModuleType, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    confusion = random.integers(0, 9, (5, 5))
    folder = StudyFolder(tmp_path, "s")
    studies.write_evaluation(folder, 3, confusion.tolist(), tuple("abcde"))
    found = read_evaluation(folder, 3)
    assert found is not None
    true, called = np.indices((5, 5)).reshape(2, 25).repeat(confusion.ravel(), axis=1)
    precision, recall, f1, images = precision_recall_fscore_support(true, called)
    np.testing.assert_allclose(found.precision, 100 * precision)
    np.testing.assert_allclose(found.recall, 100 * recall)
    np.testing.assert_allclose(found.f1, 100 * f1)
    np.testing.assert_array_equal(found.images, images)


def test_classes_without_images_or_calls_have_no_figure(
    studies: ModuleType, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path, "s")
    studies.write_evaluation(folder, 0, ((0, 0), (0, 4)), ("a", "b"))
    found = read_evaluation(folder, 0)
    assert found is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(found.recall, [np.nan, 100.0])
        np.testing.assert_array_equal(found.precision, [np.nan, 100.0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"classes": ["a"], "confusion": [[1, 2]]}',
        '{"classes": [], "confusion": []}',
        '{"classes": ["a"], "confusion": "x"}',
        '{"classes": ["a", "b"], "confusion": [[1], [2, 3]]}',
    ],
)
def test_a_damaged_file_is_no_evaluation(text: str, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path, "s")
    folder.trial(0).mkdir(parents=True)
    folder.evaluation(0).write_text(text)
    assert read_evaluation(folder, 0) is None


def test_the_files_are_called_as_the_trainer_calls_them(tmp_path: Path) -> None:
    from trainers.runs.training_run import HISTORY, TEST

    folder = StudyFolder(tmp_path, "s")
    assert folder.history(0).name == HISTORY
    assert folder.evaluation(0).name == TEST
