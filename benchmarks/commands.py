"""Whole commands: until the first report, a study from command to table, the driver's share of a
core, and trials that do nothing, against what a user would run instead.

    python -m benchmarks.commands

Each has run once before, so that the disk is warm, the data prepared and the calibration known. At
the normal size a row of the batch-size study has one epoch, so that what is paid once weighs ten
times as much as in the study itself; --size full runs it as it is, for about half an hour.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna

from benchmarks.data import dataset
from benchmarks.harness import Aim, Case, Options, alternate, compare, main
from benchmarks.studies import do_nothing, open_runner, study_request
from search.autotune.resources import Resources

IMPORTS = [sys.executable, "-c", "import torch, ray"]
EPOCHS = {"smallest": 1, "normal": 1, "full": 10}  # of a row of the batch-size study
LIMIT = 3.0  # % of one core
SECONDS, FEW_SECONDS = 5.0, 1.0  # of counting the driver's processor time
TICKS = os.sysconf("SC_CLK_TCK")
TRIALS, FEW = (60, 3, 60), (3, 2, 3)  # that do nothing: ours, the default peer, one that reuses


def cases(options: Options) -> list[Case]:
    return [_first_report(options), _study(options), _driver(options), *_no_ops(options)]


@contextmanager
def _search(options: Options, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """``search.run`` with ``flags``, ended afterwards with a group of its own, Ray's processes."""
    with tempfile.TemporaryDirectory() as results:
        where = ["--data-dir", options.data_dir, "--results-dir", results]
        command = [sys.executable, "-m", "search.run", "--verbose", *flags, *where]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, text=True, start_new_session=True)
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()


def _wait_for(process: subprocess.Popen[str], *beginnings: str) -> None:
    """Until a line with each of ``beginnings`` was printed."""
    assert process.stdout is not None
    missing = set(beginnings)
    for line in process.stdout:
        missing -= {text for text in missing if text in line}
        if not missing:
            return
    sys.exit("the search ended too early")


def _first_report(options: Options) -> Case:
    """wrn_sam's quick preset on the embedded digits, whose first epoch is short."""

    def ours() -> float:
        start = time.perf_counter()
        with _search(options, "--space", "wrn_sam", "--preset", "quick") as process:
            _wait_for(process, " epoch 1/")
            return time.perf_counter() - start

    def imports() -> float:
        return _seconds(IMPORTS)

    if not options.smallest:
        ours(), imports()
    name = "command to first report, against imports"
    return compare(name, "s", Aim("≤", 2), ours, imports, options.pairs)


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _study(options: Options) -> Case:
    """Report B's batch-size table against the report's loop run three times."""
    epochs = EPOCHS[options.size]
    flags = ["--preset", "quick" if options.smallest else "full", "--set", f"epochs={epochs}"]
    flags += ["--dataset", dataset(options), "--data-dir", options.data_dir]
    run = [sys.executable, "-m", "search.run", "--space", "lenet_batch", "--no-confirm", *flags]
    peer = [sys.executable, "-m", "benchmarks.peers.batch_sizes", *flags]

    def ours() -> float:
        with tempfile.TemporaryDirectory() as results:
            return 3600 / _seconds([*run, "--results-dir", results])

    def theirs() -> float:
        return 3600 / _seconds(peer)

    if not options.smallest:
        ours()
    name = f"lenet_batch, 3 rows of {epochs} epoch(s)"
    return compare(name, "studies/h", Aim("≥", 5), ours, theirs, options.pairs)


def _driver(options: Options) -> Case:
    """Of a search of two trials at once whose epochs last about a second or more, from their first
    reports on. Linux only."""
    preset = "quick" if options.smallest else "full"
    flags = ["--space", "lenet_batch", "--preset", preset, "--set", "epochs=1000", "--no-confirm"]
    shares = []
    with _search(options, *flags, "--dataset", dataset(options)) as process:
        _wait_for(process, "trial 0 epoch", "trial 1 epoch")
        for _ in range(options.pairs):
            before, start = _processor_seconds(process.pid), time.perf_counter()
            time.sleep(options.of(SECONDS, FEW_SECONDS))
            used = _processor_seconds(process.pid) - before
            shares.append(max(100 * used / (time.perf_counter() - start), 0.01))
    limits = [LIMIT] * len(shares)
    return Case.of_pairs("driver, against 3 %", "% of a core", Aim("≤", 1), shares, limits)


def _processor_seconds(process: int) -> float:
    """See proc(5): what follows the name in brackets begins with the third field."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _no_ops(options: Options) -> list[Case]:
    """Trials that report nine times, two at once, SQLite; against Ray's Tuner with OptunaSearch and
    ASHAScheduler, with its default settings and with ``reuse_actors=True``. All values are equal,
    so neither pruner ends a trial. Counted is from the first trial's start to the last one's end,
    as the study's database has them: starting Ray is not in it, starting workers is."""
    counts = options.of(TRIALS, FEW)
    programs = (["commands", "no-ops"], ["peers.tuner", "default"], ["peers.tuner", "reuse"])
    samples = [
        partial(_rate, program, options, count)
        for program, count in zip(programs, counts, strict=True)
    ]
    ours, default, reusing = alternate(*samples, turns=options.pairs)
    name = "no-op trials against Tuner + OptunaSearch + ASHA"
    return [
        Case.of_pairs(f"{name}, default", "trials/s", Aim("≥", 5), ours, default),
        Case.of_pairs(f"{name}, reuse_actors", "trials/s", Aim("≥", 1.5), ours, reusing),
    ]


def _rate(program: Sequence[str], options: Options, trials: int) -> float:
    """Trials a second of a program that leaves its study in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        module, *arguments = program
        command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
        result = subprocess.run(
            [*command, folder, options.data_dir, str(trials)], capture_output=True, text=True
        )
        if result.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
        return trials_a_second(f"sqlite:///{folder}/studies.db", trials)


def trials_a_second(storage: str, wanted: int) -> float:
    (study,) = optuna.study.get_all_study_names(storage)
    trials = optuna.load_study(study_name=study, storage=storage).get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished()]
    assert len(ended) == wanted, f"{len(ended)} trials instead of {wanted}"
    starts = [trial.datetime_start for trial in ended if trial.datetime_start]
    ends = [trial.datetime_complete for trial in ended if trial.datetime_complete]
    return wanted / (max(ends) - min(starts)).total_seconds()


def run_no_ops(folder: Path, data_dir: str, trials: int) -> None:
    from search.workers.driver import run_search

    request = study_request(Options("normal", None, data_dir), folder)
    request = replace(request, settings=replace(request.settings, n_trials=trials))
    with open_runner(request) as runner:
        run_search(runner, Resources(concurrency=2, threads=1), do_nothing)


if __name__ == "__main__":
    if sys.argv[1:2] == ["no-ops"]:
        run_no_ops(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(main("commands", "whole commands against what else would be run", cases))
