"""Processor time of the driver while trials run, in % of one core. Linux only.

    python -m benchmarks.driver_share

A real search, two trials at once, whose epochs last about a second or more; the driver is
the process of the command (Ray's own servers are shown beside it, and are not part of the aim).
Counted is from the first epoch's report on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.data import dataset
from benchmarks.harness import Aim, Case, Options, main

LIMIT = 3.0  # % of one core
SECONDS, FEW = 5.0, 1.0
TICKS = os.sysconf("SC_CLK_TCK")


def cases(options: Options) -> list[Case]:
    preset = "quick" if options.smallest else "full"
    flags = ["--space", "lenet_batch", "--preset", preset, "--set", "epochs=1000", "--no-confirm"]
    flags += ["--dataset", dataset(options), "--data-dir", options.data_dir]
    driver, servers = _shares(flags, options.of(SECONDS, FEW), options.pairs)
    print(f"Ray's servers beside it: {', '.join(f'{share:.1f}' for share in servers)} %")
    limits = [LIMIT] * len(driver)
    return [Case.of_pairs("driver, against 3 %", "% of a core", Aim("≤", 1), driver, limits)]


def _shares(flags: list[str], seconds: float, samples: int) -> tuple[list[float], list[float]]:
    """% of a core that the driver and Ray's servers took, for each of some spans of time."""
    command = [sys.executable, "-m", "search.run", *flags]
    with tempfile.TemporaryDirectory() as results:
        process = subprocess.Popen(
            [*command, "--results-dir", results],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _wait_for_epochs(process)
            spans = [_span(process.pid, seconds) for _ in range(samples)]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
    return [driver for driver, _ in spans], [servers for _, servers in spans]


def _wait_for_epochs(process: subprocess.Popen[str]) -> None:
    """Until both trials have reported."""
    assert process.stdout is not None
    seen: set[str] = set()
    for line in process.stdout:
        words = line.split()
        if " epoch " in line and words[0] == "trial":
            seen.add(words[1])
        if len(seen) == 2:
            return
    sys.exit("the search ended before two trials had reported")


def _span(driver: int, seconds: float) -> tuple[float, float]:
    before, start = _processor_seconds(driver), time.perf_counter()
    time.sleep(seconds)
    after, elapsed = _processor_seconds(driver), time.perf_counter() - start
    shares = [100 * (b - a) / elapsed for a, b in zip(before, after, strict=True)]
    return shares[0], shares[1]


def _processor_seconds(driver: int) -> tuple[float, float]:
    """Of the driver itself, and of gcs_server and raylet, its children."""
    servers = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = _parse(stat.read_text())
        except OSError:  # it has ended meanwhile
            continue
        if fields[1] == str(driver) and name in ("gcs_server", "raylet"):
            servers += (int(fields[11]) + int(fields[12])) / TICKS
    _, own = _parse(Path(f"/proc/{driver}/stat").read_text())
    return (int(own[11]) + int(own[12])) / TICKS, servers


def _parse(stat: str) -> tuple[str, list[str]]:
    """Name, and the fields from the state on; see proc(5)."""
    head, _, tail = stat.rpartition(")")
    return head.partition("(")[2], tail.split()


if __name__ == "__main__":
    sys.exit(main("driver_share", "processor time of the driver", cases))
