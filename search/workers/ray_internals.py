"""Start a private Ray on this machine's loopback. Yields a scratch folder for what Tune writes.

A Ray that lacks one of these names ends the search with an ``AttributeError`` that says which;
``tests/search/workers/test_ray_internals.py`` finds it before.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from search.common.errors import SearchError, UserError, one_line
from search.workers.stop_signals import STOP_SIGNALS, signals_held_back

# Ray decides these when it is imported; a user's own setting wins.
_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # everywhere: ports open on the loopback only
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_worker_niceness": "0",  # Ray's 15 starves a search beside any other busy program
    # By workers, while the driver gets ready.
    "RAY_preload_python_modules": "ray.tune,torch,search.workers.worker,trainers.runs.training_run",
}
_TUNE_ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the display is ours
    "RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE": "1",  # reported to us, not begun again by Tune
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean what they mean to the driver
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study database holds the results
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # a first Ctrl-C ends the search in good order
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Ray's snapshot is never needed to resume
    "TUNE_WARN_THRESHOLD_S": "60",
}
NODE_LOST = ("its node has died", "actor is temporarily unavailable")  # as Ray puts it
_LONGEST_FOLDER = 107 - 66  # bytes: of a Unix socket's path, and what Ray takes of them behind it
_OBJECT_STORE_BYTES = 80 * 1024 * 1024  # messages are small, images are memory-mapped files


class RayNotStartedError(RuntimeError):
    """Ray did not start; the text says why, and another try may do better."""


def refuse_other_ray() -> None:
    """Raises ``UserError`` where this process has a Ray of its own: the search's would end it."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        raise UserError(
            "Ray runs in this process already, and a search starts its own; "
            "call ray.shutdown() first, or search in another process"
        )


@contextmanager
def local_ray(cpus: int, at_once: int) -> Iterator[str]:
    """Start a private Ray on this machine's loopback. Yields a scratch folder for what Tune writes.

    Raises ``UserError`` where there is no folder for it, ``RayNotStartedError`` and, where another
    try would end in the same way, ``SearchError``.
    """
    for name, value in _RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:  # else Ray keeps one for all to read, in the home
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    set_up_tune(at_once)
    scratch = _short_folder()
    import ray

    try:
        with signals_held_back(), replaced(WHILE_STARTING):
            _start(cpus, scratch)
        with replaced(WHILE_TRAINING):
            yield scratch
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


def _short_folder() -> str:
    """Make a folder in which Ray can have its sockets: their paths are bounded, and Ray takes
    ASCII only. It is in the usual one for temporary files, if that will do."""
    usual = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    for parent in (usual, "/tmp", "/var/tmp"):
        if parent.isascii() and len(parent) <= _LONGEST_FOLDER - len("/search-12345678"):
            with suppress(OSError):
                return tempfile.mkdtemp(prefix="search-", dir=parent)
    raise UserError(
        f"Ray cannot have its sockets in {usual!r}: that must be a folder that can be written to, "
        f"of at most {_LONGEST_FOLDER - len('/search-12345678')} characters, all of them ASCII; "
        "name one with TMPDIR"
    )


def set_up_tune(at_once: int) -> None:
    """Prepare Tune; call it before Ray is imported. A user's own settings win."""
    for name, value in _TUNE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(at_once)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a worker's death is reported by us


def _start(cpus: int, folder: str) -> None:
    import ray

    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
    except (ConnectionError, TimeoutError) as error:
        raise RayNotStartedError(f"Ray could not be started ({one_line(error)})") from error
    except (OSError, ValueError) as error:  # a full disk, no right to write, a wrong variable
        raise SearchError(
            f"Ray cannot be started: {one_line(error)}; mend that and rerun to resume the study"
        ) from error
    except Exception as error:  # Ray has no narrower one: a machine too busy for its 30 s
        raise RayNotStartedError(f"Ray could not be started ({one_line(error)})") from error


def _in_own_session(command: Any, preexec_fn: Callable[[], None], **options: Any) -> Any:
    """Starts one of Ray's processes; signals are held back in the driver only."""

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        preexec_fn()

    return subprocess.Popen(command, preexec_fn=prepare, start_new_session=True, **options)


# Not to start what one machine has no use for: the server of the web interface (waited for a
# second or more, also with the interface off), the scaler of clusters and the reader of the
# workers' output. Each takes half a second of a core just when workers start.
# Ray's processes get a session of their own: a signal to the driver's process group, as from a
# terminal that is closed or from `timeout`, leaves it to the driver to stop them in good order.
WHILE_STARTING: Mapping[str, Any] = {
    "ray._private.services.start_api_server": lambda *args, **kwargs: ("", None),
    "ray._private.node.Node.start_monitor": lambda node: None,
    "ray._private.node.Node.start_log_monitor": lambda node: None,
    "ray._private.services.ConsolePopen": _in_own_session,
}
# Not to give trials an environment of their own: Ray would start other workers than those that
# wait already. All processes here inherit the driver's.
WHILE_TRAINING: Mapping[str, Any] = {
    "ray.tune.execution.class_cache.DEFAULT_ENV_VARS": {},
    "ray.tune.execution.class_cache.ENV_VARS_TO_PROPAGATE": set(),
}


@contextmanager
def replaced(names: Mapping[str, Any]) -> Iterator[None]:
    """Return a context manager within which Ray's ``names`` have other values. It raises
    ``AttributeError`` where Ray lacks one."""
    with ExitStack() as stack:
        for name, value in names.items():
            stack.enter_context(mock.patch(name, value))
        yield


def lost_process() -> str:
    """Return the name of Ray's own process that has died, without which no worker lives; "" if
    none."""
    from ray._private import ray_constants, worker

    if worker._global_node is None:
        return ""
    needed = {ray_constants.PROCESS_TYPE_RAYLET, ray_constants.PROCESS_TYPE_GCS_SERVER}
    dead = {kind for kind, _ in worker._global_node.dead_processes()}
    return ", ".join(sorted(dead & needed))


def draining_nodes() -> set[str]:
    """Return the ids of a cluster's nodes that get no more work and end soon."""
    from ray._private.state import state

    return set(state.get_draining_nodes())


def modules_of_job() -> list[str]:
    """Return the ``py_modules`` that `ray job submit` was given. Ray would refuse others beside
    them, so it is told that those of this process, which hold them too, are to stand for them."""
    from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR

    job = json.loads(os.environ.get(RAY_JOB_CONFIG_JSON_ENV_VAR, "{}"))
    modules: list[str] = job.get("runtime_env", {}).get("py_modules", [])
    if modules:
        os.environ["RAY_OVERRIDE_JOB_RUNTIME_ENV"] = "1"
    return modules


def unstage(tune_controller: Any, trial: Any) -> None:
    """Have Tune forget that ``trial``, which was stopped before it had a worker, waits for one. It
    would keep no worker warm from then on."""
    controller = tune_controller._tune_controller
    if trial in controller._staged_trials:
        controller._unstage_trial_with_resources(trial)


def error_of(trial: Any) -> str:
    """Return what Ray says of how a trial's worker ended, from the file that it has just written:
    what Tune itself reads is copied from there later."""
    file = trial.error_file
    return Path(file).read_text() if file and Path(file).exists() else ""


def is_of_node(error: str) -> bool:
    """Return whether a worker died with its node, or contact to it was lost: where a process alone
    ends, its node says so, and one that dies is missed by the driver some seconds before Ray knows.
    Of a node that was drained no cause is given."""
    unexplained = "The actor died unexpectedly" in error and " because " not in error
    return unexplained or any(said in error for said in NODE_LOST)
