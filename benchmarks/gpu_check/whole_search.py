"""A real search, from the command to the study."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import optuna
from optuna.trial import FrozenTrial

from benchmarks.gpu_check import space
from benchmarks.gpu_check.check import Setting, expect, short
from search.common.locations import default_storage

REPOSITORY = Path(__file__).resolve().parents[2]
AT_ONCE = 2  # trials on the card
AIM_BETWEEN = 0.5  # s, from a trial's end to the next one's start on the same card
ON_THE_CPU = ("--threads", "1", "--concurrency", "1", "--precision", "float32")


def search(setting: Setting) -> None:
    """12 trials, two at a time on a card. One runs out of memory and one breaks the card for its
    worker, three times; the others complete. The smallest: 3 trials of an epoch."""
    results = setting.folder / "results"
    start = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "search.run", "--quiet"),
            *("--space", f"{Path(space.__file__)}"),
            *("--preset", "quick" if setting.smallest else "full"),
            *("--results-dir", str(results), "--data-dir", str(setting.folder / "data")),
            *(("--gpus-per-trial", f"{1 / AT_ONCE}") if setting.cuda else ON_THE_CPU),
        ],
        cwd=REPOSITORY,
        env=dict(os.environ) | ({} if setting.cuda else {"CUDA_VISIBLE_DEVICES": "-1"}),
        capture_output=True,
        text=True,
    )
    setting.record("seconds", short(time.perf_counter() - start))
    said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
    expect(done.returncode == 0, f"exit code {done.returncode}: {said}")
    trials = _trials(default_storage(results))
    reasons = {trial.params["batch_size"]: trial.user_attrs["reason"] for trial in trials}
    setting.record("trials", len(reasons))
    setting.record("seconds_between_trials", seconds_between(trials))
    graphs = Counter(trial.user_attrs.get("graph", "not known") for trial in trials)
    setting.record("graphs", dict(graphs))
    setting.record("aim", {"seconds_between_trials": AIM_BETWEEN})
    fatal = {size: reasons.pop(size) for size in space.FATAL}
    out, broken = fatal.values()
    expect("out_of_memory" in out, f"where memory ran out: {out}")
    lost = "the GPU does not answer" if setting.cuda else "IndexError"
    expect(lost in broken, f"where an assert failed: {broken}")
    others = Counter(reasons.values())
    expect(set(others) == {"completed"}, f"the others ended so: {dict(others)}")


def _trials(storage: str) -> list[FrozenTrial]:
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)


def seconds_between(trials: Sequence[FrozenTrial]) -> float | None:
    """What a trial takes beside its training and test, from when it is asked for to when it is
    told: the median, without those first ones for which workers had to import torch."""
    beside = []
    for trial in trials:
        start, end, figures = trial.datetime_start, trial.datetime_complete, trial.user_attrs
        if start and end and figures["reason"] == "completed":
            at_work = figures["wall_seconds"] + figures["test_seconds"]
            beside.append((end - start).total_seconds() - at_work)
    return round(median(beside[AT_ONCE:]), 3) if len(beside) > AT_ONCE else None
