"""Helper processes do not outlive the process that started them, not even a killed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

CHILD = (
    "from trainers.parallel.parent_process import die_with_parent; "
    "die_with_parent({}); print(1, flush=True); {}"
)
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_dies_with_its_killed_parent() -> None:
    child = CHILD.format("", "import time; time.sleep(600)")
    with subprocess.Popen([sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while runs(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_child_whose_parent_has_died_already_ends_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD.format(os.getpid() + 10**6, "pass")])
    assert done.returncode == -signal.SIGKILL
