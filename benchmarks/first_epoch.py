"""From the command to the first epoch's report, against importing torch and ray alone.

    python -m benchmarks.first_epoch

The search is of wrn_sam's quick preset on the embedded digits, whose first epoch is short. Both
have run once before, so that the disk is warm and the data prepared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks.harness import Aim, Case, Options, compare, main

PEER = [sys.executable, "-c", "import torch, ray"]
FIRST_REPORT = "trial 0 epoch 1/"


def cases(options: Options) -> list[Case]:
    def ours() -> float:
        return until_first_report(options.data_dir)

    if not options.smallest:
        ours(), _imports()
    return [compare("command to first report", "s", Aim("≤", 2), ours, _imports, options.pairs)]


def until_first_report(data_dir: str) -> float:
    """Seconds until the first epoch's line is in the search's output; then the search is ended."""
    command = [sys.executable, "-m", "search.run", "--space", "wrn_sam", "--preset", "quick"]
    with tempfile.TemporaryDirectory() as results:
        command += ["--data-dir", data_dir, "--results-dir", results]
        start = time.perf_counter()
        # A group of its own: Ray's processes go with it.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            return _wait_for_report(process, start)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


def _wait_for_report(process: subprocess.Popen[str], start: float) -> float:
    assert process.stdout is not None
    for line in process.stdout:
        if FIRST_REPORT in line:
            return time.perf_counter() - start
    sys.exit("the search ended without an epoch")


def _imports() -> float:
    start = time.perf_counter()
    subprocess.run(PEER, check=True, env=dict(os.environ))
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main("first_epoch", "command to first epoch", cases))
