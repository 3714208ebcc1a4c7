"""A process beside the first one of a data-parallel trial; ``first_rank`` starts and ends it.

It trains its share of every batch, epoch by epoch, and writes nothing but what went wrong.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.failpoints import failpoint
from trainers.parallel.first_rank import ready_file, rendezvous_file
from trainers.parallel.parent_process import die_with_parent
from trainers.parallel.ranks import ParallelRanks
from trainers.runs.training_run import TrainingRun


def main() -> None:
    task = json.loads(sys.argv[1])
    die_with_parent(task["first"])
    try:
        _train(task)
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        Path(task["scratch"], f"{task['rank']}.error").write_text(text)
        os._exit(1)  # an orderly end of NCCL would wait for the others
    sys.stdin.read()  # the first process may still look at what this one has used


def _train(task: dict[str, Any]) -> None:
    failpoint("rank started")
    execution = Execution.from_mapping(task["execution"])
    ready_file(task["scratch"], task["rank"]).touch()
    ranks = ParallelRanks(execution, task["rank"], rendezvous_file(task["scratch"]))
    config, folder = TrainConfig.from_mapping(task["config"]), Path(task["folder"])
    run = TrainingRun(config, Path(task["data"]), execution, folder, ranks)
    while not run.trainer.finished:
        run.trainer.train_epoch()
        failpoint("rank trained")
    failpoint("rank finished")


if __name__ == "__main__":
    main()
