"""Seconds to open a large study and go on with it: until the next trial's task is given out.

python -m benchmarks.open_study
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Aim, Case, Options, compare, main
from benchmarks.studies import make_study, next_task, open_runner, study_request

TRIALS, FEW = 10_000, 30
LIMIT = 5.0  # seconds


def cases(options: Options) -> list[Case]:
    trials = options.of(TRIALS, FEW)
    with tempfile.TemporaryDirectory() as folder:
        make_study(options, Path(folder), trials)
        task = [sys.executable, "-m", "benchmarks.open_study", "open", folder, options.data_dir]

        def seconds() -> float:
            found = subprocess.run(task, check=True, stdout=subprocess.PIPE, text=True)
            return float(found.stdout)

        name = f"{trials} trials of 30 epochs, against {LIMIT:g} s"
        return [compare(name, "s", Aim("≤", 1), seconds, lambda: LIMIT, options.pairs)]


def open_it(results_dir: Path, data_dir: str) -> float:
    """Seconds, in a fresh process, imports not counted. The trial is left for the next one."""
    from rich.console import Console

    from search.settings.plan import SearchPlan
    from search.terminal.display import display_for

    request = study_request(Options("normal", None, data_dir), results_dir)
    start = time.perf_counter()
    with open_runner(request) as runner, open(request.folder.log, "a", encoding="utf-8") as log:
        plan = runner.plan
        assert isinstance(plan, SearchPlan)
        display_for(plan, runner.study, Console(file=log), log)
        assert not runner.is_met()
        next_task(runner)
        return time.perf_counter() - start


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        print(open_it(Path(sys.argv[2]), sys.argv[3]))
    else:
        sys.exit(main("open_study", "opening a large study", cases))
