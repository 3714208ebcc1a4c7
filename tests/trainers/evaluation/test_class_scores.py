"""Precision, recall and F1 by hand."""

from __future__ import annotations

import pytest

from trainers.evaluation.class_scores import class_scores


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
