"""What is relied on of Ray's insides, name by name; a Ray without a name does as it does itself."""

from __future__ import annotations

import inspect
import json
import os
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search.workers.ray_internals import (
    WHILE_STARTING,
    WHILE_TRAINING,
    Replacement,
    draining_nodes,
    error_of,
    is_of_node,
    lost_process,
    modules_of_job,
    replaced,
)

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


# -- of a cluster ------------------------------------------------------------------------------


def test_ray_knows_the_nodes_that_are_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private.state import GlobalState

    assert list(inspect.signature(GlobalState.get_draining_nodes).parameters) == ["self"]
    monkeypatch.delattr(GlobalState, "get_draining_nodes")
    assert draining_nodes() == set()


def test_tune_writes_how_a_worker_ended_before_it_says_so(tmp_path: Path) -> None:
    from ray.tune.experiment import Trial

    file = tmp_path / "error.txt"
    assert isinstance(Trial.error_file, property)
    assert error_of(SimpleNamespace(error_file=str(file))) == ""
    file.write_text("The actor died because its node has died. Node Id: 1a2b")
    assert is_of_node(error_of(SimpleNamespace(error_file=str(file))))
    assert error_of(SimpleNamespace(error_file=None)) == ""
    died = "The actor died unexpectedly before finishing this task.\n\tactor_id: 589f55ce"
    assert is_of_node(died)
    assert not is_of_node(f"{died}\nThe actor is dead because its worker process has died.")


def test_tune_is_told_that_a_trial_waits_no_more() -> None:
    controller = import_module("ray.tune.execution.tune_controller").TuneController
    assert "self._staged_trials.remove" in inspect.getsource(
        controller._unstage_trial_with_resources
    )


def test_the_modules_of_a_job_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray refuses others beside them unless it is told which stand."""
    constants = import_module("ray._private.runtime_env.constants")
    name = "RAY_OVERRIDE_JOB_RUNTIME_ENV"
    monkeypatch.setenv(name, "0")
    assert modules_of_job() == []
    job = {"runtime_env": {"py_modules": ["gcs://_ray_pkg_1a2b.zip"]}}
    monkeypatch.setenv(constants.RAY_JOB_CONFIG_JSON_ENV_VAR, json.dumps(job))
    assert modules_of_job() == ["gcs://_ray_pkg_1a2b.zip"]
    assert os.environ[name] == "1"
