"""What is replaced of the dashboard says the same as what it replaces."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest
from optuna.trial import create_trial

from search.dashboard_sync.quicken import quicken_dashboard


@pytest.fixture
def serializer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The dashboard's module, as it comes afterwards."""
    from optuna_dashboard import _serializer

    for name in ("np", "list_trial_artifacts"):
        monkeypatch.setattr(_serializer, name, getattr(_serializer, name))
    return _serializer


def test_the_quickened_dashboard_says_the_same_of_every_float(serializer: Any) -> None:
    nan, inf = float("nan"), float("inf")
    steps = {1: nan, 2: inf, 3: -inf, 4: 0.5, 5: -0.0, 6: 1e308}
    trials = [create_trial(values=[end], intermediate_values=steps) for end in (1.5, inf, -inf)]
    before = [serializer.serialize_frozen_trial(0, trial, {}) for trial in trials]
    quicken_dashboard()
    assert serializer.np is not numpy
    assert [serializer.serialize_frozen_trial(0, trial, {}) for trial in trials] == before


def test_the_quickened_dashboard_lists_the_same_files(serializer: Any) -> None:
    from optuna_dashboard.artifact import _backend

    trials = [create_trial(values=[0.0]) for _ in range(3)]
    for number, trial in enumerate(trials):
        trial._trial_id = number
    file = {"artifact_id": "a", "filename": "f", "mimetype": "text/csv", "encoding": None}
    studies: list[dict[str, Any]] = [
        {f"{_backend.DASHBOARD_ARTIFACTS_ATTR_PREFIX}{number}:a": json.dumps(file), "other": 1}
        for number in (1, 2)
    ]

    def files() -> list[Any]:
        found = [[serializer.serialize_frozen_trial(0, t, s) for t in trials] for s in studies]
        return [[trial["artifacts"] for trial in trials] for trials in found]

    before = files()
    assert [bool(listed) for study in before for listed in study] == [0, 1, 0, 0, 0, 1]
    quicken_dashboard()
    quicken_dashboard()
    assert files() == before


def test_what_the_dashboard_has_no_more_is_left_alone(
    serializer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(serializer, "np")
    monkeypatch.delattr(serializer, "list_trial_artifacts")
    quicken_dashboard()
    assert not {"np", "list_trial_artifacts"} & set(vars(serializer))
