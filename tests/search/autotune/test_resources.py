"""Trials at once, threads and GPUs of each, from what is asked and what there is."""

from __future__ import annotations

import pytest

from search.autotune.resources import ComputeOptions, choose_resources
from search.common.errors import UserError
from trainers.execution import Execution


@pytest.mark.parametrize(
    ("asked", "gpus", "processes", "expected"),
    [
        ((None, None, None), 0, 1, (4, 1, 0.0)),
        ((1, None, None), 0, 1, (1, 4, 0.0)),
        ((None, 2, None), 0, 1, (2, 2, 0.0)),
        ((None, 8, None), 0, 1, (1, 8, 0.0)),
        ((8, None, None), 0, 1, (8, 1, 0.0)),
        ((3, 5, None), 0, 1, (3, 5, 0.0)),
        ((None, None, None), 2, 1, (2, 2, 1.0)),
        ((None, None, 0.5), 2, 1, (4, 1, 0.5)),
        ((None, None, 0.4), 2, 1, (4, 1, 0.4)),
        ((None, None, 1 / 3), 1, 1, (3, 1, 1 / 3)),
        ((None, None, 2), 2, 1, (1, 4, 2)),
        ((None, None, 0), 2, 1, (4, 1, 0)),
        ((1, None, 1), 2, 1, (1, 4, 1)),
        ((None, None, None), 0, 2, (2, 1, 0.0)),
        ((1, None, None), 0, 2, (1, 2, 0.0)),
        ((None, None, None), 4, 2, (2, 1, 2.0)),
        ((None, None, 0), 4, 2, (2, 1, 0)),
    ],
)
def test_resources_of_four_cores(
    monkeypatch: pytest.MonkeyPatch,
    asked: tuple[int | None, int | None, float | None],
    gpus: int,
    processes: int,
    expected: tuple[int, int, float],
) -> None:
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 4)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: gpus)
    concurrency, threads, share = asked
    options = ComputeOptions(concurrency, threads, processes, share)
    chosen = choose_resources(options)
    assert (chosen.concurrency, chosen.threads, chosen.gpus_per_trial) == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"gpus_per_trial": 3.0}, "--gpus-per-trial must be at most 2, the GPUs found, got 3.0"),
        ({"gpus_per_trial": 1.5}, "--gpus-per-trial must be a whole number above 1, got 1.5"),
        ({"concurrency": 3}, "--concurrency must be at most 2, .*1 each, got 3"),
        ({"gpus_per_trial": 1e-9}, "--gpus-per-trial must be 0 or at least 0.01, got 1e-09"),
        (
            {"gpus_per_trial": 1.0, "processes": 2},
            "--gpus-per-trial must be 2, one for each of the --processes",
        ),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, float], message: str
) -> None:
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 2)
    with pytest.raises(UserError, match=message):
        choose_resources(ComputeOptions(**asked))  # type: ignore[arg-type]


def test_a_study_resumes_with_the_threads_and_processes_that_it_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("search.autotune.devices.cpu_count", lambda: 8)
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 1)
    began = Execution(threads=2, processes=2)
    chosen = choose_resources(ComputeOptions(), began)
    assert (chosen.threads, chosen.processes, chosen.gpus_per_trial) == (2, 2, 0)
    assert chosen.concurrency == 2


def test_on_a_cluster_as_many_trials_as_asked_whatever_this_machine_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("search.autotune.devices.gpu_count", lambda: 1)
    chosen = choose_resources(ComputeOptions(concurrency=64, ray_address="head:6379"))
    assert (chosen.concurrency, chosen.most, chosen.ray_address) == (64, 64, "head:6379")
