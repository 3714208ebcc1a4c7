"""A process beside the first one of a data-parallel trial; ``trainers.parallel.ranks`` starts it.

It trains its share of every batch, epoch by epoch, and writes nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.parallel.parent_process import die_with_parent
from trainers.parallel.ranks import ParallelRanks
from trainers.runs.training_run import TrainingRun


def main() -> None:
    task = json.loads(sys.argv[1])
    die_with_parent(task["leader"])
    execution = Execution.from_mapping(task["execution"])
    ranks = ParallelRanks(execution, task["rank"], Path(task["meeting"]))
    config, folder = TrainConfig.from_mapping(task["config"]), Path(task["folder"])
    run = TrainingRun(config, Path(task["data"]), execution, folder, ranks)
    while not run.trainer.finished:
        run.trainer.train_epoch()


if __name__ == "__main__":
    main()
