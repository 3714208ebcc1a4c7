"""A preset's minutes as a budget of epochs: measured once, recorded, and only where nothing else
is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.autotune import epoch_budget
from search.record.record import ReevaluationFacts
from search.settings.decide import decide
from search.settings.plan import SearchPlan
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from search.storage.storage import open_storage
from trainers.data.prepared import Meta

DATA = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "fingerprint")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the timing processes were asked. On one of them the baseline's epoch takes 0.4 s, those
    of the other settings 0.6 s; on another it is 0.6 and 0.8."""
    tasks: list[dict[str, Any]] = []

    def run(arguments: Any, count: int, what: str, instead: str) -> list[str]:
        tasks.append(json.loads(arguments[1]))
        fractions = [config["val_fraction"] for config in tasks[-1]["configs"]]
        work = [9 * (1 - fraction + fraction / 3) for fraction in fractions]
        return [
            json.dumps([[work[0] / s, ""], *([images / (s + 0.2), ""] for images in work[1:])])
            for s in (0.4, 0.6)[:count]
        ]

    monkeypatch.setattr("search.autotune.timing.run_module", run)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)
    return tasks


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., SearchPlan]:
    def planned(*flags: str) -> SearchPlan:
        space = ["--space", "wrn_sam", "--preset", "quick", "--threads", "1", "--concurrency", "2"]
        where = ["--results-dir", str(tmp_path / "results"), "--data-dir", str(tmp_path / "data")]
        request = make_request(RunSettings.parse([*space, *where, *flags]))
        return decide(request, DATA, tmp_path, None, print)[0]

    return planned


def test_two_workers_get_three_minutes_worth(plan: Any, asked: Any) -> None:
    """(180 s − 45 s around) · 2 workers / (0.6 s + 0.1 s between) = 385 epochs; to confirm takes up
    to 2 · 2 + 2 · 4 trainings of 9."""
    assert plan("--no-confirm").epoch_budget == 385
    made = plan()
    assert (made.epoch_budget, made.n_trials) == (277, 277)
    facts = made.record.strategy
    assert (facts.pruner, facts.epoch_budget, facts.n_trials) == ("promotion", 277, 277)


def test_the_baseline_and_points_all_over_the_space_are_timed(plan: Any, asked: Any) -> None:
    plan()
    (task,) = asked
    baseline, *others = task["configs"]
    assert (baseline["depth"], baseline["width"], baseline["batch_size"]) == (10, 1, 32)
    assert len(others) == epoch_budget.POINTS
    assert {config["width"] for config in others} == {1, 2}
    assert min(config["batch_size"] for config in others) < 40
    assert max(config["batch_size"] for config in others) > 60


def test_what_was_measured_within_an_hour_is_known(
    plan: Any, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plan().epoch_budget
    assert plan().epoch_budget == first
    assert len(asked) == 1
    monkeypatch.setattr(epoch_budget, "SECONDS_KEPT", -1.0)
    plan()
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("flags", "n_trials", "epochs"),
    [
        (("--n-trials", "7"), 7, None),
        (("--epoch-budget", "99"), 99, 99),
        (("--pruner", "halving"), 48, None),
        (("--preset", "full"), 100, None),
    ],
)
def test_nothing_is_measured_where_something_else_limits(
    plan: Any, asked: Any, flags: tuple[str, ...], n_trials: int, epochs: int | None
) -> None:
    made = plan(*flags)
    assert (made.n_trials, made.epoch_budget) == (n_trials, epochs)
    assert not asked


def test_there_is_always_enough_to_choose_among() -> None:
    assert epoch_budget.budget_of(3, 1, seconds_an_epoch=500.0, full=16) == 64


@pytest.mark.parametrize(
    ("epochs", "settings", "seeds", "left"),
    [
        (457, 2, 4, 457 - 12 * 16),
        (300, 1, 4, 300 - 8 * 16),
        (240, 1, 3, 240 - 6 * 16),
        (100, 1, 3, 64),  # of 4 epochs no search finds anything, and 2 seeds say nothing
    ],
)
def test_a_reevaluation_fits_into_its_share(
    epochs: int, settings: int, seeds: int, left: int
) -> None:
    """Of 16 epochs a training; four seeds judge, or fewer."""
    facts = ReevaluationFacts(2, (1, 2), (3, 4, 5, 6))
    found, fitted = epoch_budget.split(epochs, 16, facts, fixed=False)
    assert fitted == ReevaluationFacts(settings, (1, 2)[: (seeds + 1) // 2], (3, 4, 5, 6)[:seeds])
    assert found == left
    assert epoch_budget.split(100, 16, facts, fixed=True) == (64, facts)
    assert epoch_budget.split(100, 16, None, fixed=False) == (100, None)


def test_a_study_goes_on_with_the_budget_it_began_with(
    asked: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.settings.open_study import find_record, open_study
    from search.storage.lease import Lease

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    flags = ["--space", "wrn_sam", "--preset", "quick", "--threads", "1", "--concurrency", "2"]
    request = make_request(RunSettings.parse([*flags, "--data-dir", str(tmp_path)]))
    made, notes = decide(request, DATA, tmp_path, None, print)
    more = "with up to 108 more epochs for the re-evaluation"
    assert f"budget: 277 epochs, about 3 minutes {more}" in notes
    with Lease(made.folder) as lease:
        open_study(made, open_storage(made.storage), lease)
    found = find_record(request, open_storage(request.storage))
    again, notes = decide(request, DATA, tmp_path, found, print)
    assert (again.epoch_budget, again.n_trials) == (277, 277)
    assert len(asked) == 1
    assert not any("budget" in note for note in notes)
