"""A private Ray: its processes, signals while it starts, and a search in a Ray without any of the
names that are replaced."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path

import pytest

from search.autotune.resources import Resources
from search.study.events import FINISHED
from search.study.messages import Completed, EpochDone, Message, Task
from search.workers import driver, ray_internals
from tests.search.desk import Desks

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("workers_without_torch")]


def test_rays_processes_have_a_session_of_their_own_and_a_signal_waits_until_they_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[int, bool]] = []
    start = ray_internals._start

    def start_and_strike(cpus: int, folder: str) -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        start(cpus, folder)
        assert not heard

    def take(number: int, frame: object) -> None:
        heard.append((number, import_module("ray").is_initialized()))

    monkeypatch.setattr(ray_internals, "_start", start_and_strike)
    before = signal.signal(signal.SIGTERM, take)
    try:
        with started_in_the_end(heard.clear):
            assert heard == [(signal.SIGTERM, True)]
            assert signal.getsignal(signal.SIGTERM) is take
            processes = import_module("ray._private.worker")._global_node.all_processes
            pids = [info.process.pid for infos in processes.values() for info in infos]
            assert len(pids) >= 2
            assert all(os.getsid(pid) == pid for pid in pids)
            assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in pids)
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def started_in_the_end(again: Callable[[], None]) -> Iterator[None]:
    """Ray gives its processes 30 s; the driver begins again where a busy machine takes longer."""
    with ExitStack() as stack:
        for _ in range(driver.MOST_RESTARTS):
            with suppress(ray_internals.RayNotStartedError):
                stack.enter_context(ray_internals.local_ray(1, 1))
                break
            again()
        yield


def two_epochs(task: Task) -> Iterator[Message]:
    for epoch in (1, 2):
        yield EpochDone({"epoch": epoch, "val_top1": 50.0})
    yield Completed({})


def test_a_search_ends_with_nothing_of_rays_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import cloudpickle

    for names in ("WHILE_STARTING", "WHILE_TRAINING"):
        monkeypatch.setattr(f"search.workers.ray_internals.{names}", {})
    monkeypatch.setattr("search.workers.driver.lost_process", lambda: "")
    desks, module = Desks(tmp_path), import_module(two_epochs.__module__)
    cloudpickle.register_pickle_by_value(module)
    try:
        with desks.leases:
            desk = desks(n_trials=2)
            assert driver.run_search(desk.runner, Resources(1, 1), two_epochs) == FINISHED
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert [trial.state.name for trial in desk.study.get_trials()] == ["COMPLETE"] * 2
