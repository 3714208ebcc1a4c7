"""The cost of one report (write and pruner's decision) in a large study against a small one.

    python -m benchmarks.late_report

A trial of 30 epochs is reported epoch by epoch among finished trials of 30 epochs; the pruner
decides at epochs 2, 4, 8 and 16. The median is over all epochs; the second line is over those at
which the pruner looks at every other trial. The third holds the median against 5 ms.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness import Aim, Case, Options, alternate, main
from benchmarks.studies import EPOCHS, make_study, next_task, open_runner, report
from search.study.messages import Failed
from search.study.trial_runner import TrialRunner

TRIALS, FEW = (10_000, 100), (30, 10)
RUNGS = (2, 4, 8, 16)


def cases(options: Options) -> list[Case]:
    large, small = options.of(TRIALS, FEW)
    with ExitStack() as stack:
        studies = []
        for trials in (large, small):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            runner = stack.enter_context(open_runner(make_study(options, folder, trials)))
            _milliseconds(runner)
            studies.append(Reports(runner))
        late, early = studies
        alternate(late.trial, early.trial, turns=options.pairs)
    return [
        Case.of_pairs(
            f"{large} trials against {small}", "ms", Aim("≤", 2), late.medians, early.medians
        ),
        Case.of_pairs("the same, at rungs", "ms", Aim("≤", 2), late.at_rungs, early.at_rungs),
        Case.of_pairs(
            f"{large} trials against 5 ms",
            "ms",
            Aim("≤", 1),
            late.medians,
            [5.0] * len(late.medians),
        ),
    ]


class Reports:
    """Medians over the epochs of each trial reported."""

    def __init__(self, runner: TrialRunner):
        self.runner = runner
        self.medians: list[float] = []
        self.at_rungs: list[float] = []

    def trial(self) -> float:
        found = _milliseconds(self.runner)
        self.medians.append(statistics.median(found))
        self.at_rungs.append(statistics.median(found[epoch - 1] for epoch in RUNGS))
        return self.medians[-1]


def _milliseconds(runner: TrialRunner) -> list[float]:
    """Of each epoch's report."""
    task = next_task(runner)
    found = []
    for epoch in range(1, EPOCHS + 1):
        start = time.perf_counter()
        assert report(runner, task, epoch)
        found.append(1000 * (time.perf_counter() - start))
    runner.end(task.number, Failed("measured"))
    return found


if __name__ == "__main__":
    sys.exit(main("late_report", "one report", cases))
