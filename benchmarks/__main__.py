"""Runs all benchmarks one after the other, and shows how each did.

python -m benchmarks [--size smallest] [--dataset PATH] [--data-dir FOLDER]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from benchmarks import BENCHMARKS
from benchmarks.harness import parse

LIMIT_SECONDS = 3600 if "full" in sys.argv else 900  # of one benchmark


def main(flags: list[str]) -> int:
    """Exit code 1 where one did not come to its end; whether aims are met is not asked here."""
    parse("all benchmarks, one after the other", flags)  # what is wrong is said once
    table = Table(title="ratios of ours to the peer's")
    for column in ("benchmark", "ratio", "low", "high", "aim", "seconds"):
        table.add_column(column)
    failed = 0
    for name in BENCHMARKS:
        start = time.perf_counter()
        result = _run(name, flags)
        seconds = f"{time.perf_counter() - start:.0f}"
        if result is None:
            failed += 1
            table.add_row(name, "failed", "", "", "", seconds)
            continue
        figures = [f"{result[key]:.3g}" for key in ("ratio", "low", "high")]
        table.add_row(name, *figures, result["aim"], seconds)
    Console().print(table)
    return 1 if failed else 0


def _run(name: str, flags: list[str]) -> dict | None:
    """The last line of a benchmark's output, all of which is passed on; None if it failed."""
    print(f"── {name}: {BENCHMARKS[name]}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *flags]
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"{name}: ended after {LIMIT_SECONDS} s", flush=True)
        return None
    print(run.stdout, flush=True)
    return None if run.returncode else json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
