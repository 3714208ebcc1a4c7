"""What the driver does for trials, without Ray and with nothing trained: in large studies against
small ones, and how long it takes to open a large one.

    python -m benchmarks.driver

SQLite, TPE over seven parameters, successive halving or promotion.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.harness import Aim, Case, Options, Sample, alternate, compare, main
from benchmarks.studies import (
    EPOCHS,
    make_study,
    next_task,
    open_runner,
    report,
    study_request,
    whole_trial,
)
from search.study.messages import Failed
from search.study.trial_runner import TrialRunner

FINISHED, FEW_FINISHED = (10_000, 1000), (30, 10)  # many and few: as they are, and a quick look
PAUSED, FEW_PAUSED = (1000, 100), (30, 10)
RUNGS = (2, 4, 8, 16)  # epochs at which the pruner looks at every other trial
TRIALS_A_SAMPLE = 10
LIMIT = 5.0  # seconds to open a study


def cases(options: Options) -> list[Case]:
    finished, paused = options.of(FINISHED, FEW_FINISHED), options.of(PAUSED, FEW_PAUSED)
    with _runners(options, *finished) as (late, early):
        many, few = (_trial(runner, options.of(TRIALS_A_SAMPLE, 1)) for runner in (late, early))
        name = f"a trial: {finished[0]} trials against {finished[1]}"
        found = [compare(name, "ms", Aim("≤", 1.5), many, few, options.pairs)]
        found += _reports(options, late, early, finished)
    with _runners(options, *paused, paused=True) as runners:
        many, few = (_trial(runner, options.of(TRIALS_A_SAMPLE, 1)) for runner in runners)
        name = f"a trial: among {paused[0]} paused against {paused[1]}"
        found.append(compare(name, "ms", Aim("≤", 2), many, few, options.pairs))
    return [*found, _opening(options, finished[0])]


@contextmanager
def _runners(
    options: Options, *trials: int, paused: bool = False
) -> Iterator[tuple[TrialRunner, ...]]:
    """Of studies of so many trials each, warmed up."""
    with ExitStack() as stack:
        runners = []
        for count in trials:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            request = make_study(options, folder, count, paused)
            runners.append(stack.enter_context(open_runner(request)))
            for _ in range(2):  # the first reads the study, and is the baseline
                whole_trial(runners[-1])
        yield tuple(runners)


def _trial(runner: TrialRunner, count: int) -> Sample:
    """Milliseconds to ask, report twice, decide and finish: the median of ``count``."""

    def milliseconds() -> float:
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            whole_trial(runner)
            seconds.append(time.perf_counter() - start)
        return 1000 * statistics.median(seconds)

    return milliseconds


def _reports(
    options: Options, late: TrialRunner, early: TrialRunner, trials: tuple[int, int]
) -> list[Case]:
    """Medians over all epochs of a trial, and over those at which the pruner looks around."""
    taken = alternate(lambda: _epochs(late), lambda: _epochs(early), turns=options.pairs)
    every = [[statistics.median(trial) for trial in side] for side in taken]
    rungs = [[statistics.median(trial[e - 1] for e in RUNGS) for trial in side] for side in taken]
    name = f"a report: {trials[0]} trials against {trials[1]}"
    return [
        Case.of_pairs(name, "ms", Aim("≤", 2), *every),
        Case.of_pairs(f"{name}, at rungs", "ms", Aim("≤", 2), *rungs),
    ]


def _epochs(runner: TrialRunner) -> list[float]:
    """Milliseconds of each epoch's report and decision, of one trial."""
    task = next_task(runner)
    found = []
    for epoch in range(1, EPOCHS + 1):
        start = time.perf_counter()
        assert report(runner, task, epoch)
        found.append(1000 * (time.perf_counter() - start))
    runner.finish(task.number, Failed("measured"))
    return found


def _opening(options: Options, trials: int) -> Case:
    with tempfile.TemporaryDirectory() as folder:
        make_study(options, Path(folder), trials)
        command = [sys.executable, "-m", "benchmarks.driver", "open", folder, options.data_dir]

        def seconds() -> float:
            found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            return float(found.stdout)

        name = f"opening {trials} trials of {EPOCHS} epochs, against {LIMIT:g} s"
        return compare(name, "s", Aim("≤", 1), seconds, lambda: LIMIT, options.pairs)


def open_it(results_dir: Path, data_dir: str) -> float:
    """Seconds until the next task is given out, in a fresh process, imports not counted."""
    request = study_request(Options("normal", None, data_dir), results_dir)
    start = time.perf_counter()
    with open_runner(request) as runner:
        assert not runner.is_met()
        next_task(runner)
        return time.perf_counter() - start


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        print(open_it(Path(sys.argv[2]), sys.argv[3]))
    else:
        sys.exit(main("driver", "the driver's work for trials", cases))
