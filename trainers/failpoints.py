"""Named points at which a test may have this process killed, to show that nothing is lost.

``SHARPSEARCH_KILL_AT=name:nth:file`` kills at the ``nth`` passing (from 1) of the point ``name``,
as ``kill -9`` would, and once only: it leaves ``file`` behind, and where that lies nobody is
killed. Without the variable a point costs one look at the environment.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "SHARPSEARCH_KILL_AT"
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Mark one step of a trial's way."""
    if VARIABLE in os.environ:
        _pass(name)


def _pass(name: str) -> None:
    wanted, nth, file = os.environ[VARIABLE].split(":", 2)
    _passed[name] += 1
    if name == wanted and _passed[name] == int(nth) and not os.path.exists(file):
        with open(file, "w") as mark:
            mark.write(f"{os.getpid()} {name}\n")
        os.kill(os.getpid(), signal.SIGKILL)
