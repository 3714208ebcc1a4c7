"""One trial of the runner (ask, report twice, decide, tell) late in a study against early in it;
and one of many trials that pause against one of few.

    python -m benchmarks.late_trial

SQLite, TPE over seven parameters, successive halving or promotion; no Ray and nothing trained.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.harness import Aim, Case, Options, Sample, compare, main
from benchmarks.studies import make_study, open_runner, whole_trial
from search.study.trial_runner import TrialRunner

TRIALS = (10_000, 1000), (30, 10)  # many and few: as they are, and for a quick look
PAUSED = (1000, 100), (30, 10)
TRIALS_A_SAMPLE = 10


def cases(options: Options) -> list[Case]:
    return [
        _case(options, "trial {} against trial {}", Aim("≤", 1.5), TRIALS),
        _case(options, "among {} paused against {}", Aim("≤", 2.0), PAUSED, paused=True),
    ]


def _case(
    options: Options,
    name: str,
    aim: Aim,
    trials: tuple[tuple[int, int], tuple[int, int]],
    paused: bool = False,
) -> Case:
    large, small = options.of(*trials)
    count = options.of(TRIALS_A_SAMPLE, 1)
    with ExitStack() as stack:
        late, early = (_runner(stack, options, number, paused) for number in (large, small))
        for runner in (late, early):
            for _ in range(2):  # the first reads the study, and is the recipe's own
                whole_trial(runner)
        samples = _median(late, count), _median(early, count)
        return compare(name.format(large, small), "ms", aim, *samples, options.pairs)


def _runner(stack: ExitStack, options: Options, trials: int, paused: bool) -> TrialRunner:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return stack.enter_context(open_runner(make_study(options, folder, trials, paused)))


def _median(runner: TrialRunner, count: int) -> Sample:
    """Milliseconds of a trial, the median of ``count``."""

    def milliseconds() -> float:
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            whole_trial(runner)
            seconds.append(time.perf_counter() - start)
        return 1000 * statistics.median(seconds)

    return milliseconds


if __name__ == "__main__":
    sys.exit(main("late_trial", "ask, report, decide, tell", cases))
