"""Trials a second of a study whose trials do nothing but report nine times, two at once, SQLite.

    python -m benchmarks.noop_trials

Peer: Ray's Tuner with OptunaSearch and ASHAScheduler, with its default settings and with
``reuse_actors=True``. Same seven parameters, same sampler (TPE). All values are equal, so neither
pruner ends a trial. Counted is from the first trial's start to the last one's end, as the study's
database has them: starting Ray is not in it, starting workers is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import optuna

from benchmarks.harness import Aim, Case, Options, alternate, main
from benchmarks.studies import open_runner, study_request
from search.study.messages import Completed, EpochDone, Message, Task

REPORTS = 9
TRIALS, FEW = (60, 3, 60), (3, 2, 3)  # ours, the default peer, the one that reuses
VALUE = 50.0


def cases(options: Options) -> list[Case]:
    counts = options.of(TRIALS, FEW)
    programs = (
        ["benchmarks.noop_trials", "ours"],
        ["benchmarks.peers.tuner", "default"],
        ["benchmarks.peers.tuner", "reuse"],
    )
    samples = [
        partial(_run, program, options, count)
        for program, count in zip(programs, counts, strict=True)
    ]
    ours, default, reusing = alternate(*samples, turns=options.pairs)
    name = "against Tuner + OptunaSearch + ASHA"
    return [
        Case.of_pairs(f"{name}, default", "trials/s", Aim("≥", 5), ours, default),
        Case.of_pairs(f"{name}, reuse_actors", "trials/s", Aim("≥", 1.5), ours, reusing),
    ]


def _run(program: Sequence[str], options: Options, trials: int) -> float:
    """Trials a second of a program that leaves its study in a folder."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", *program, folder, options.data_dir, str(trials)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
        return trials_a_second(f"sqlite:///{folder}/studies.db", trials)


def trials_a_second(storage: str, wanted: int) -> float:
    (study,) = optuna.study.get_all_study_names(storage)
    trials = optuna.load_study(study_name=study, storage=storage).get_trials(deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished()]
    assert len(ended) == wanted, f"{len(ended)} trials instead of {wanted}"
    # OptunaSearch never gets a trial's last report from a scheduler that ends the trial.
    assert all(len(trial.intermediate_values) >= REPORTS - 1 for trial in ended)
    starts = [trial.datetime_start for trial in ended if trial.datetime_start]
    ends = [trial.datetime_complete for trial in ended if trial.datetime_complete]
    return wanted / (max(ends) - min(starts)).total_seconds()


def do_nothing(task: Task) -> Iterator[Message]:
    """What a worker tells of a trial."""
    for epoch in range(task.reported + 1, REPORTS + 1):
        yield EpochDone({"epoch": epoch, "val_top1": VALUE}, {"wall_seconds": 0.0})
    yield Completed({"test_top1": VALUE})


def run_ours(folder: Path, data_dir: str, trials: int) -> None:
    from dataclasses import replace

    from search.autotune.resources import Resources
    from search.workers.driver import run_search

    request = replace(study_request(Options("normal", None, data_dir), folder), n_trials=trials)
    with open_runner(request) as runner:
        run_search(runner, Resources(concurrency=2, threads=1), do_nothing)


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        run_ours(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(main("noop_trials", "trials/s of trials that do nothing", cases))
