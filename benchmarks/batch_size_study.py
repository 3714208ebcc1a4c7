"""Report B's batch-size table: the service's command against the report's loop run three times.

    python -m benchmarks.batch_size_study

From the start of the command to the printed table. Same images trained, validated and tested on.
The service has run once before: its data is prepared and its probe is known. At the normal size
a row has one epoch, so that what is paid once weighs ten times as much as in the study itself;
--size full runs the study as it is, ten epochs a row, for about half an hour.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from benchmarks.data import dataset
from benchmarks.harness import Aim, Case, Options, compare, main

EPOCHS = {"smallest": 1, "normal": 1, "full": 10}


def cases(options: Options) -> list[Case]:
    common = ["--dataset", dataset(options), "--data-dir", options.data_dir]
    epochs = EPOCHS[options.size]
    flags = ["--preset", "quick" if options.smallest else "full", "--set", f"epochs={epochs}"]
    ours = ["search.run", "--space", "lenet_batch", "--no-confirm", *flags, *common]
    peer = ["benchmarks.peers.batch_sizes", *flags, *common]

    def run_ours() -> float:
        with tempfile.TemporaryDirectory() as results:
            return _studies_an_hour([*ours, "--results-dir", results])

    if not options.smallest:
        run_ours()
    return [
        compare(
            f"3 rows of {epochs} epoch(s)",
            "studies/h",
            Aim("≥", 5),
            run_ours,
            lambda: _studies_an_hour(peer),
            options.pairs,
        )
    ]


def _studies_an_hour(module_and_flags: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", *module_and_flags], check=True, stdout=subprocess.DEVNULL)
    return 3600 / (time.perf_counter() - start)


if __name__ == "__main__":
    sys.exit(main("batch_size_study", "the batch-size study, command to table", cases))
