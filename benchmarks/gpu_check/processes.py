"""Each check in a process of its own: side by side or alone, with a log and a time limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.check import FAILED, RUNNING, write
from benchmarks.gpu_check.checks import Check

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT = 230.0  # s of a half


def run_half(checks: Mapping[str, Check], out: Path, flags: Sequence[str]) -> dict[str, Any]:
    """Runs ``checks``: first those that run side by side, then the others one by one. All import
    what they need at once. What the half has no time left for is ended. Returns what each came to.
    """
    ends = time.monotonic() + LIMIT
    started = {name: _Process(name, check, out, flags) for name, check in checks.items()}
    beside = [process for process in started.values() if not process.check.alone]
    try:
        for group in (beside, *([p] for p in started.values() if p.check.alone)):
            for process in group:
                process.go(ends)
            for process in group:
                process.wait()
    finally:
        for process in started.values():
            process.kill()
    return {name: process.result() for name, process in started.items()}


class _Process:
    """One that has imported its check, and waits to be told to go."""

    def __init__(self, name: str, check: Check, out: Path, flags: Sequence[str]):
        self.check = check
        self._path, self._log = out / f"{name}.json", out / f"{name}.log"
        self._limit, self._ends, self._ran_out = check.limit, 0.0, False
        self._path.unlink(missing_ok=True)
        module = "benchmarks.gpu_check.run_check"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, check.function, str(self._path), *flags],
                stdin=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
            )

    def go(self, ends: float) -> None:
        """Starts the check, which has until ``ends`` at most."""
        self._limit = min(self.check.limit, max(0.0, ends - time.monotonic()))
        self._ends = time.monotonic() + self._limit
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died of its imports
            self._process.stdin.write(b"go\n")
            self._process.stdin.close()

    def wait(self) -> None:
        try:
            self._process.wait(max(0.0, self._ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._ran_out = True
            self.kill()

    def kill(self) -> None:
        """Ends it and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def result(self) -> dict[str, Any]:
        """What it wrote; where it was ended or died, that it failed and why."""
        known: dict[str, Any] = {"result": RUNNING}
        with suppress(FileNotFoundError):
            known = json.loads(self._path.read_text())
        if known["result"] == RUNNING:
            why = f"it ran out of its {self._limit:.0f} s" if self._ran_out else self._died()
            known |= {"result": FAILED, "said": f"{why}; see {self._log}"}
            write(self._path, known)
            print(f"{self._path.stem}: failed, {known['said']}", flush=True)
        return known

    def _died(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"it ended with code {self._process.returncode}: {lines[-1] if lines else 'silent'}"
