"""Whether training on this machine's GPU is right, and how fast it is: two halves, each under four
minutes.

    python -m benchmarks.gpu_check [--half correctness|speed] [--only NAMES] [--out FOLDER]

Each check runs in a process of its own with its own time limit, whichever failed before, and needs
no network. FOLDER holds NAME.json with its figures, written anew with each one, and NAME.log. The
last line is JSON: versions, machine, and what each check came to; so is summary.json. Exit code 1
if a check failed. Optuna and Ray are needed by "search" alone, torchvision and Pillow by "energy".
With --device cpu --smallest it runs what makes sense there, to show that it works.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.check import FAILED, write
from benchmarks.gpu_check.checks import CHECKS, HALVES, Check
from benchmarks.gpu_check.processes import run_half
from benchmarks.machine import machine, versions

OUT = Path("results") / "gpu_check"


def main(argv: Sequence[str] | None = None, checks: Mapping[str, Check] = CHECKS) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        description="whether training on the GPU is right, and how fast it is",
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--smallest", action="store_true", help="only show that it works")
    parser.add_argument("--half", choices=HALVES, help="one alone; default: both")
    names = ", ".join(checks)
    parser.add_argument("--only", nargs="+", choices=checks, metavar="NAME", help=f"of {names}")
    parser.add_argument("--out", type=Path, default=OUT, help=f"folder of figures; default: {OUT}")
    args = parser.parse_args(argv)
    if args.device == "cuda" and not _reaches_a_gpu():
        parser.error("torch reaches no GPU here; --device cpu shows that the program works")
    start = time.perf_counter()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    flags = ["--device", args.device, *(["--smallest"] if args.smallest else [])]
    results: dict[str, Any] = {}
    for half in [args.half] if args.half else HALVES:
        chosen = {
            name: check
            for name, check in checks.items()
            if check.half == half and name in (args.only or checks)
        }
        results |= run_half(chosen, out, flags)
    line = {
        "benchmark": "gpu_check",
        "device": args.device,
        "machine": machine(),
        **versions(),
        "seconds": round(time.perf_counter() - start),
        "checks": results,
    }
    write(out / "summary.json", line)
    print(json.dumps(line))
    return 1 if any(result["result"] == FAILED for result in results.values()) else 0


def _reaches_a_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    sys.exit(main())
