"""What is relied on of Ray's insides, name by name; a Ray without a name does as it does itself."""

from __future__ import annotations

import inspect
import os
import signal
import threading
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from search.ledger.events import FINISHED
from search.ledger.messages import Completed, EpochDone, Message, Task
from search.planning.resources import Resources
from search.workers import driver, ray_internals
from search.workers.ray_internals import (
    WHILE_STARTING,
    WHILE_TRAINING,
    Replacement,
    lost_process,
    replaced,
)
from tests.search.desk import Desks

ALL = (*WHILE_STARTING, *WHILE_TRAINING)


def owner_of(replacement: Replacement) -> Any:
    module, _, within = replacement.owner.partition(":")
    return getattr(import_module(module), within) if within else import_module(module)


def value_of(name: str) -> Any:
    replacement = next(known for known in ALL if known.name == name)
    return getattr(owner_of(replacement), name)


# -- what this Ray has -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["start_monitor", "start_log_monitor"])
def test_a_node_starts_its_helper_by_a_method_without_arguments(name: str) -> None:
    assert list(inspect.signature(value_of(name)).parameters) == ["self"]


def test_the_server_of_the_web_interface_is_started_by_a_function_that_returns_a_pair() -> None:
    from ray._private.node import Node

    call = "self._webui_url, process_info = ray._private.services.start_api_server("
    assert call in inspect.getsource(Node.start_api_server)


@pytest.mark.parametrize(
    ("name", "kind"), [("DEFAULT_ENV_VARS", dict), ("ENV_VARS_TO_PROPAGATE", set)]
)
def test_trials_get_an_environment_from_two_tables(name: str, kind: type) -> None:
    assert isinstance(value_of(name), kind)
    assert name in inspect.getsource(
        import_module("ray.tune.execution.class_cache")._ActorClassCache
    )


def test_ray_is_told_its_address() -> None:
    import ray

    assert '"_node_ip_address"' in inspect.getsource(ray.init)


def test_the_driver_knows_its_node() -> None:
    assert import_module("ray._private.worker")._global_node is None  # Ray is not started


def test_a_node_names_its_dead_processes() -> None:
    from ray._private.node import Node

    assert list(inspect.signature(Node.dead_processes).parameters) == ["self"]
    constants = import_module("ray._private.ray_constants")
    assert constants.PROCESS_TYPE_RAYLET == "raylet"
    assert constants.PROCESS_TYPE_GCS_SERVER == "gcs_server"


# -- what happens without ----------------------------------------------------------------------


def test_every_name_is_replaced_and_put_back() -> None:
    before = [value_of(new.name) for new in ALL]
    with replaced(ALL) as names:
        assert names == [new.name for new in ALL]
        assert [value_of(new.name) for new in ALL] == [new.value for new in ALL]
    assert [value_of(new.name) for new in ALL] == before


@pytest.mark.parametrize("missing", ALL, ids=lambda new: new.name)
def test_a_name_that_is_missing_is_left_to_ray(
    missing: Replacement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner_of(missing), missing.name)
    with replaced(ALL) as names:
        assert names == [new.name for new in ALL if new is not missing]
        assert not hasattr(owner_of(missing), missing.name)
    assert not hasattr(owner_of(missing), missing.name)


@pytest.mark.parametrize("owner", ["ray.no_such_module", "ray._private.node:NoSuchClass"])
def test_a_module_or_class_that_is_missing_is_left_to_ray(owner: str) -> None:
    with replaced([Replacement(owner, "start_monitor", None)]) as names:
        assert names == []


def test_a_dead_process_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = [("raylet", None), ("log_monitor", None)]
    node = SimpleNamespace(dead_processes=lambda: dead)
    monkeypatch.setattr("ray._private.worker._global_node", node)
    assert lost_process() == "raylet"


@pytest.mark.parametrize("node", [None, SimpleNamespace()], ids=["no node", "no dead_processes"])
def test_nothing_is_lost_where_nothing_is_told(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray._private.worker._global_node", node)
    assert lost_process() == ""


def test_nothing_is_lost_where_ray_has_no_such_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("ray._private.worker._global_node")
    assert lost_process() == ""


# -- signals --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rays_processes_have_a_session_of_their_own_and_a_signal_waits_until_they_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[tuple[int, bool]] = []
    start = ray_internals._start

    def start_and_strike(cpus: int) -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        start(cpus)
        assert not heard

    def take(number: int, frame: object) -> None:
        heard.append((number, import_module("ray").is_initialized()))

    monkeypatch.setattr(ray_internals, "_start", start_and_strike)
    before = signal.signal(signal.SIGTERM, take)
    try:
        with ray_internals.local_ray(1, 1):
            assert heard == [(signal.SIGTERM, True)]
            assert signal.getsignal(signal.SIGTERM) is take
            processes = import_module("ray._private.worker")._global_node.all_processes
            pids = [info.process.pid for infos in processes.values() for info in infos]
            assert len(pids) >= 2
            assert all(os.getsid(pid) == pid for pid in pids)
            assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in pids)
    finally:
        signal.signal(signal.SIGTERM, before)


def two_epochs(task: Task) -> Iterator[Message]:
    for epoch in (1, 2):
        yield EpochDone({"epoch": epoch, "val_top1": 50.0})
    yield Completed({})


@pytest.mark.slow
def test_a_search_ends_with_nothing_of_rays_replaced(
    open_desk: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import cloudpickle

    for names in ("WHILE_STARTING", "WHILE_TRAINING"):
        monkeypatch.setattr(f"search.workers.ray_internals.{names}", ())
    monkeypatch.setattr(driver, "lost_process", lambda: "")
    desk = open_desk(n_trials=2)
    module = import_module(two_epochs.__module__)
    cloudpickle.register_pickle_by_value(module)
    try:
        assert driver.run_search(desk.ledger, Resources(1, 1), two_epochs) == FINISHED
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert [trial.state.name for trial in desk.study.get_trials()] == ["COMPLETE"] * 2
