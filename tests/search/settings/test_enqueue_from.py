"""Another study's best settings come right after the baseline, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study

from search.common.errors import UserError
from search.settings.decide import decide
from search.settings.enqueue_from import with_starting_points
from search.settings.open_study import find_record, open_study
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from search.storage.lease import Lease
from search.storage.storage import open_storage
from trainers.data.prepared import Meta

DATA = Meta(1, "digits", ("a", "b"), {"train_images": (9, 8, 8, 1)}, (0.5,), (0.5,), "fingerprint")
POINT = {
    **{"batch_size": 32, "lr": 0.2, "weight_decay": 1e-4, "rho": 0.05},
    **{"dropout": 0.25, "depth": 16, "width": 2},
}


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 0)

    def opened(name: str, *flags: str) -> Study:
        space = ["--space", "wrn_sam", "--preset", "quick", "--threads", "1", "--n-trials", "9"]
        arguments = [*space, "--study-name", name, *flags]
        request = make_request(RunSettings.parse(arguments))
        storage = open_storage(request.storage)
        plan, _ = decide(request, DATA, tmp_path, find_record(request, storage), print)
        plan, _ = with_starting_points(plan, request, storage)
        with Lease(plan.folder) as lease:
            return open_study(plan, storage, lease)

    return opened


def complete(study: Study, value: float, **changes: Any) -> None:
    from search.settings.load_space import find_space
    from search.strategy.distributions import distributions

    kinds = distributions(find_space("wrn_sam").at("full").parameters)
    kinds["batch_size"] = optuna.distributions.IntDistribution(4, 512)
    params = {**POINT, **changes}
    chosen = {name: kinds.get(name, optuna.distributions.IntDistribution(0, 9)) for name in params}
    made = optuna.trial.create_trial(params=params, distributions=chosen, value=value)
    study.add_trial(made)


def waiting(study: Study) -> list[dict[str, Any]]:
    return [trial.system_attrs["fixed_params"] for trial in study.get_trials()]


def test_the_best_come_after_the_baseline_each_setting_once(begin: Any) -> None:
    first = begin("first")
    for value, lr in ((50.0, 0.1), (90.0, 0.2), (70.0, 0.3), (80.0, 0.2), (60.0, 0.4)):
        complete(first, value, lr=lr)
    second = begin("second", "--enqueue-from", "first", "--top", "3")
    baseline, *others = waiting(second)
    assert baseline == waiting(begin("third"))[0]
    assert others == [{**POINT, "lr": lr} for lr in (0.2, 0.3, 0.4)]


def test_they_are_enqueued_once_whatever_the_flag_says_later(begin: Any) -> None:
    complete(begin("first"), 90.0)
    flags = ("--enqueue-from", "first")
    assert len(waiting(begin("second", *flags))) == 2
    complete(begin("first"), 95.0, lr=0.5)
    assert len(waiting(begin("second", *flags))) == 2
    assert len(waiting(begin("second"))) == 2


def test_what_a_killed_driver_had_not_enqueued_yet_is(
    begin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin("first")
    complete(first, 90.0)
    complete(first, 80.0, lr=0.3)
    enqueue, done = Study.enqueue_trial, []

    def die_at_the_third(study: Study, *args: Any, **options: Any) -> None:
        if len(done) == 2:
            raise InterruptedError
        done.append(1)
        enqueue(study, *args, **options)

    with monkeypatch.context() as struck:
        struck.setattr(Study, "enqueue_trial", die_at_the_third)
        with pytest.raises(InterruptedError):
            begin("second", "--enqueue-from", "first")
    assert [point["lr"] for point in waiting(begin("second"))] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("changes", "flags", "message"),
    [
        ({"batch_size": 400}, (), "batch_size must be in [16, 128], got 400"),
        ({"momentums": 3}, (), "momentums is unknown here and does not vary, got 3"),
        ({}, ("--set", "width=1"), "width is 1 here and does not vary, got 2"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    begin: Any, changes: dict[str, Any], flags: tuple[str, ...], message: str
) -> None:
    complete(begin("first"), 90.0, **changes)
    with pytest.raises(UserError) as caught:
        begin("second", "--enqueue-from", "first", *flags)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--enqueue-from", "frist"), "did you mean 'first'?"),
        (("--enqueue-from", "second"), "must name another study of this storage"),
        (("--enqueue-from", "first"), "none of its trials that completed"),
        (("--enqueue-from", "first", "--top", "0"), "--top must be at least 1, got 0"),
        (("--top", "2"), "--top says how many of --enqueue-from"),
    ],
)
def test_a_study_that_cannot_be_the_start_is_refused(
    begin: Any, flags: tuple[str, ...], message: str
) -> None:
    begin("first")
    with pytest.raises(UserError) as caught:
        begin("second", *flags)
    assert message in str(caught.value)
