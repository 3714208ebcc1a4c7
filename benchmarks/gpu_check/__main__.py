"""Whether training on this machine's GPU is right, and how fast it is: under 8 minutes.

    python -m benchmarks.gpu_check [--device cuda|cpu] [--smallest]

Every check runs, whichever failed before. The last line is JSON: the card, its driver, versions,
and what each check came to. Exit code 1 if one failed. No network is needed. With --device cpu it
runs what makes sense there, to show that it works.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.gpu_check.arithmetic import curves, precision, waits
from benchmarks.gpu_check.cards import card, nvml, reached
from benchmarks.gpu_check.check import FAILED, PASSED, Check, Setting, Verdict, judge
from benchmarks.gpu_check.energy import energy
from benchmarks.gpu_check.graphs import graphs
from benchmarks.gpu_check.processes import (
    bit_for_bit,
    data_parallel,
    failing_trials,
)
from benchmarks.gpu_check.throughput import throughput, trials_at_once
from benchmarks.gpu_check.whole_search import search
from benchmarks.machine import machine, versions
from trainers.data import prepare

CHECKS: Mapping[str, Check] = {
    "the card is reached": reached,
    "precision": precision,
    "curves as on the CPU": curves,
    "no step waits": waits,
    "bit for bit": bit_for_bit,
    "graphs": graphs,
    "failing trials": failing_trials,
    "NVML": nvml,
    "data parallel": data_parallel,
    "a search": search,
    "throughput": throughput,
    "trials at once": trials_at_once,
    "energy": energy,
}
WIDTH = 120


def main(argv: Sequence[str] | None = None, checks: Mapping[str, Check] = CHECKS) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description="whether training on the GPU is right, and how fast it is",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--smallest", action="store_true", help="only show that it works")
    args = parser.parse_args(argv)
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch reaches no GPU here; --device cpu shows that the program works")
    console, start = Console(), time.perf_counter()
    console.width = max(console.width, WIDTH)
    with tempfile.TemporaryDirectory(prefix="sharpsearch-gpu-check-") as scratch:
        folder = Path(scratch)
        setting = Setting(args.device, args.smallest, folder, prepare("digits32", folder))
        verdicts = {}
        for name, check in checks.items():
            verdicts[name] = judge(check, setting)
            console.print(f"{name}: {verdicts[name].result} {verdicts[name].said}", markup=False)
    console.print(_table(args.device, verdicts))
    line = {
        "benchmark": "gpu_check",
        "device": args.device,
        "card": card(args.device),
        "machine": machine(),
        **versions(),
        "seconds": round(time.perf_counter() - start),
        "checks": {name: verdict.to_dict() for name, verdict in verdicts.items()},
    }
    print(json.dumps(line))
    return 1 if any(verdict.result == FAILED for verdict in verdicts.values()) else 0


def _table(device: str, verdicts: Mapping[str, Verdict]) -> Table:
    table = Table(title=f"checks on {device}")
    for column in ("check", "result", "seconds", "figures, or why not"):
        table.add_column(column)
    for name, verdict in verdicts.items():
        figures = json.dumps(verdict.figures) if verdict.figures else ""
        said = figures if verdict.result == PASSED else verdict.said
        table.add_row(name, verdict.result, f"{verdict.seconds:.1f}", said)
    return table


if __name__ == "__main__":
    sys.exit(main())
