"""How long an epoch of several settings takes on this machine: some steps of each are timed.

    python -m trainers.epoch_seconds '{"configs": […], "data": "/a/folder", "execution": {…}}'

prints a JSON list of seconds. Run it in a process of its own, as ``trainers.probe``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.execution import Execution
from trainers.probe import affordable, images_per_second
from trainers.trainer import fitting_split

SECONDS_EACH = 0.1
FORWARD_SHARE = 1 / 3  # of a training step's time, for an image that is only looked at


def epoch_seconds(config: TrainConfig, data_folder: Path, execution: Execution) -> float:
    """Of training and validation, without what is written."""
    data = open_prepared(data_folder)
    train, val = fitting_split(config, data, execution)
    speed = images_per_second(affordable(config, data, execution), data, execution, SECONDS_EACH)
    return (len(train) + FORWARD_SHARE * len(val)) / speed


def main() -> None:
    task = json.loads(sys.argv[1])
    execution, folder = Execution.from_mapping(task["execution"]), Path(task["data"])
    configs = map(TrainConfig.from_mapping, task["configs"])
    print(json.dumps([epoch_seconds(config, folder, execution) for config in configs]))


if __name__ == "__main__":
    main()
