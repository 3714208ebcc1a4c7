"""Short work in child processes: what it prints, how it fails, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from search.autotune.child_processes import run_module
from search.common.errors import UserError

# Says who it is, then waits for a word that never comes.
WAITING = """
import os, signal
with open("started", "w") as started:
    started.write(str(os.getpid()))
signal.pause()
"""
# As from a terminal: a shell may have tests in the background ignore some signals.
PARENT = """
import sys
from signal import SIG_DFL, SIGHUP, SIGINT, SIGTERM, default_int_handler, signal
signal(SIGHUP, SIG_DFL), signal(SIGTERM, SIG_DFL), signal(SIGINT, default_int_handler)
from search.common.errors import run_main
from search.autotune.child_processes import run_module
sys.exit(run_main(lambda: run_module(["waiting"], 1, "probe", "do without") and 0))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "waiting.py"


def test_what_all_of_them_print_is_returned(module: Path) -> None:
    module.write_text("import sys; print('x' * 200_000, sys.argv[1])")
    first, second = run_module(["waiting", "task"], 2, "probe", "do without")
    assert first == second == "x" * 200_000 + " task\n"


def test_one_that_says_much_keeps_nobody_waiting(module: Path) -> None:
    """Each says more than a pipe holds before it meets the other."""
    module.write_text(
        "import os, sys\n"
        "print('x' * 200_000, file=sys.stderr, flush=True)\n"
        "try:\n"
        "    os.mkdir('first')\n"
        "except FileExistsError:\n"
        "    open('met', 'w').close()\n"
        "else:\n"
        "    open('met').close()\n"
        "print('done')"
    )
    os.mkfifo(module.with_name("met"))
    assert run_module(["waiting"], 2, "probe", "do without") == ["done\n", "done\n"]


def test_one_that_fails_ends_those_that_wait_for_it(module: Path) -> None:
    module.write_text(
        "import os, signal\n"
        "try:\n"
        "    os.mkdir('first')\n"
        "except FileExistsError:\n"
        "    raise SystemExit('no memory')\n"
        "signal.pause()"
    )
    with pytest.raises(UserError, match="the probe ended with exit code 1: no memory; do without"):
        run_module(["waiting"], 2, "probe", "do without")


def test_a_failure_is_one_line_with_its_cause_and_remedy(module: Path) -> None:
    module.write_text("raise ValueError('no such thing')")
    rule = "the probe ended with exit code 1: ValueError: no such thing; do without"
    with pytest.raises(UserError, match=rule):
        run_module(["waiting"], 1, "probe", "do without")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT])
def test_a_signal_ends_the_child_too(module: Path, number: int) -> None:
    module.write_text(WAITING)
    os.mkfifo(module.with_name("started"))
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    child = int(module.with_name("started").read_text())  # waits until it is there
    parent.send_signal(number)
    assert parent.communicate()[1] == "interrupted\n"
    assert parent.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
