"""NVIDIA's Multi-Process Service (MPS), started for one command alone: trials that share a card
then compute there side by side, and not in turns."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from search.autotune.child_processes import run_module
from search.common.errors import UserError, one_line

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
SECONDS_TO_STOP = 20.0
# Starts the service, says so, and stops it when its input ends: also when whoever holds the other
# end is killed. Clients that are left after five seconds are ended.
_KEEPER = f"""
if {CONTROL} -d </dev/null >"${LOGS}/said" 2>&1; then
    echo started
    cat >/dev/null
    echo quit -t 5 | {CONTROL} >/dev/null 2>&1
else
    echo refused: $(cat "${LOGS}/said")
fi
rm -rf "${PIPES}"
"""


@dataclass(frozen=True)
class Mps:
    """Whether one of our own runs; ``said`` is a line where none could be had, else empty."""

    runs: bool
    said: str = ""


@contextmanager
def private_mps() -> Iterator[Mps]:
    """Within: processes that are started share a card through an MPS of their own, if torch reaches
    the card through it. One that the user has set up is left as it is."""
    if os.environ.get(PIPES):
        yield Mps(False)
        return
    if shutil.which(CONTROL) is None:
        yield Mps(False, in_turns(f"{CONTROL} is not installed"))
        return
    folder = tempfile.mkdtemp(prefix="sharpsearch-mps-")
    before = dict(os.environ)
    os.environ |= {PIPES: folder, LOGS: folder}
    keeper = _start_keeper()
    try:
        refused = _first_line(keeper) or _not_reached()
        if refused:
            _stop(keeper)
            _forget(before)
        yield Mps(not refused, refused and in_turns(refused))
    finally:
        _stop(keeper)
        _forget(before)


def _start_keeper() -> subprocess.Popen[str]:
    """In a session of its own: Ctrl-C is for this process to answer. Cards that are visible here by
    their number are not hidden from the service: it would count them anew from 0."""
    environment = dict(os.environ)
    if not environment.get("CUDA_VISIBLE_DEVICES", "").startswith(("GPU-", "MIG-")):
        environment.pop("CUDA_VISIBLE_DEVICES", None)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
        start_new_session=True,
    )


def _first_line(keeper: subprocess.Popen[str]) -> str:
    """Why the service did not start; empty where it did."""
    assert keeper.stdout is not None
    said = one_line(keeper.stdout.readline())
    return "" if said == "started" else said or "it could not be started"


def _not_reached() -> str:
    """Why torch does not reach a card through the service; empty where it does."""
    try:
        run_module(["trainers.gpus"], 1, "check of the GPU", "it is left out")
    except UserError as error:
        return str(error)
    return ""


def _stop(keeper: subprocess.Popen[str]) -> None:
    """Ends its input and waits, for a while: it stops the service by itself."""
    for end in filter(None, (keeper.stdin, keeper.stdout)):
        end.close()
    with suppress(subprocess.TimeoutExpired):
        keeper.wait(SECONDS_TO_STOP)


def _forget(before: dict[str, str]) -> None:
    for name in (PIPES, LOGS):
        if name in before:
            os.environ[name] = before[name]
        else:
            os.environ.pop(name, None)


def in_turns(reason: str) -> str:
    """The line that says so."""
    return f"no MPS ({reason}): trials that share a card take turns on it"
