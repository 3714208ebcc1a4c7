"""What is relied on of Ray's insides: this Ray has it, and one that lacks it is not passed over."""

from __future__ import annotations

import inspect
import json
import os
import stat
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray._private.node import Node
from ray.tune.execution import class_cache
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial

from search.common.errors import SearchError, UserError
from search.workers import ray_internals
from search.workers.ray_internals import (
    WHILE_STARTING,
    WHILE_TRAINING,
    RayNotStartedError,
    draining_nodes,
    error_of,
    is_of_node,
    local_ray,
    lost_process,
    modules_of_job,
    replaced,
)

NICENESS = "RAY_worker_niceness"
ALL = {**WHILE_STARTING, **WHILE_TRAINING}


# -- what this Ray has -------------------------------------------------------------------------


def test_names_are_replaced_and_put_back() -> None:
    before = class_cache.ENV_VARS_TO_PROPAGATE
    with replaced(ALL):
        assert not class_cache.ENV_VARS_TO_PROPAGATE
    assert class_cache.ENV_VARS_TO_PROPAGATE is before


@pytest.mark.parametrize("name", ALL)
def test_a_ray_without_a_name_is_not_passed_over(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(name)
    with pytest.raises(AttributeError, match=name.rpartition(".")[2]), replaced(ALL):
        pass


def test_what_is_replaced_is_called_as_its_replacement_expects() -> None:
    for name in ("start_monitor", "start_log_monitor"):
        assert list(inspect.signature(getattr(Node, name)).parameters) == ["self"]
    call = "self._webui_url, process_info = ray._private.services.start_api_server("
    assert call in inspect.getsource(Node.start_api_server)
    table = inspect.getsource(class_cache._ActorClassCache)
    assert "DEFAULT_ENV_VARS.copy()" in table
    assert "in ENV_VARS_TO_PROPAGATE" in table
    assert '"_node_ip_address"' in inspect.getsource(import_module("ray").init)


def test_a_dead_process_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lost_process() == ""  # no Ray is started
    assert list(inspect.signature(Node.dead_processes).parameters) == ["self"]
    dead = [("raylet", None), ("log_monitor", None)]
    node = SimpleNamespace(dead_processes=lambda: dead)
    monkeypatch.setattr("ray._private.worker._global_node", node)
    assert lost_process() == "raylet"
    monkeypatch.delattr("ray._private.worker._global_node")
    with pytest.raises(AttributeError, match="_global_node"):
        lost_process()


# -- of a cluster ------------------------------------------------------------------------------


def test_ray_knows_the_nodes_that_are_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ray._private.state.GlobalState.get_draining_nodes", lambda state: {"1a": 5}
    )
    assert draining_nodes() == {"1a"}


def test_tune_writes_how_a_worker_ended_before_it_says_so(tmp_path: Path) -> None:
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
    forget = inspect.getsource(TuneController._unstage_trial_with_resources)
    assert "self._staged_trials.remove" in forget


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


# -- the start of a private Ray ----------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What ``ray.init`` is given, in place of a Ray."""
    given: list[dict[str, object]] = []
    for name in ray_internals._RAY_ENVIRONMENT | ray_internals._TUNE_ENVIRONMENT:
        monkeypatch.setenv(name, "")  # put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr("ray.init", lambda **options: given.append(options))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    return given


def temporary(monkeypatch: pytest.MonkeyPatch, folder: Path | str) -> None:
    monkeypatch.setattr(ray_internals.tempfile, "gettempdir", lambda: str(folder))


def test_it_has_a_token_of_its_own_and_no_niceness(started: list[dict[str, object]]) -> None:
    """Ray would write a token into the home otherwise."""
    with local_ray(1, 1):
        assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
        assert os.environ[NICENESS] == "0"


def test_a_users_own_settings_win(
    started: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NICENESS, "15")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a user's own token of 32 letters")
    with local_ray(1, 1):
        assert os.environ[NICENESS] == "15"
        assert os.environ["RAY_AUTH_TOKEN"] == "a user's own token of 32 letters"


@pytest.mark.parametrize("name", ["x" * 98, "täglich"])
def test_its_folder_is_short_private_and_gone_afterwards(
    started: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A Unix socket's path has at most 107 bytes, and Ray takes ASCII only."""
    (tmp_path / name).mkdir()
    temporary(monkeypatch, tmp_path / name)
    with local_ray(1, 1) as folder:
        assert started[0]["_temp_dir"] == folder
        assert folder.isascii()
        assert len(folder) + 66 <= 107
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
    assert not Path(folder).exists()


def test_without_any_folder_that_will_do_one_line_says_so(
    started: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**options: object) -> str:
        raise OSError(28, "No space left on device")

    temporary(monkeypatch, "/tmp")
    monkeypatch.setattr(ray_internals.tempfile, "mkdtemp", full)
    with (
        pytest.raises(UserError, match=r"sockets in '/tmp': .* name one with TMPDIR"),
        local_ray(1, 1),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PermissionError(13, "Permission denied"), SearchError),
        (ValueError("RAY_worker_niceness must be a number"), SearchError),
        (RuntimeError("The current node timed out during startup"), RayNotStartedError),
        (TimeoutError(), RayNotStartedError),
    ],
)
def test_only_what_time_may_mend_is_tried_again(
    started: list[dict[str, object]],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    outcome: type[Exception],
) -> None:
    def fail(**options: object) -> None:
        raise error

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(outcome), local_ray(1, 1):
        pass
