"""What an epoch's checkpoint costs training: the copy that it waits for, against writing in line.

python -m benchmarks.saving
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import part_of, prepared
from benchmarks.harness import Aim, Case, Options, compare, main
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.runs.checkpoint import rotate_and_write, write_checkpoint
from trainers.runs.snapshot import HostCopy
from trainers.trainer import Trainer

AIM = Aim("≤", 0.25)
IMAGES = 200
NETWORKS: dict[str, dict[str, Any]] = {
    "small CNN": {"model": "lenet"},
    "WideResNet-28-10": {"model": "wide_resnet", "depth": 28, "width": 10},
}


def cases(options: Options) -> list[Case]:
    chosen = options.of(list(NETWORKS), ["small CNN"])
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # a disk, where /tmp may be memory
        return [_case(options, name, Path(folder)) for name in chosen]


def _case(options: Options, name: str, folder: Path) -> Case:
    config = TrainConfig.from_mapping({**NETWORKS[name], "batch_size": 100})
    trainer = Trainer(config, part_of(prepared(options), IMAGES, IMAGES), Execution())
    for parameter in trainer.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimizer.step()  # now there is momentum
    copy = HostCopy(trainer.device)
    copy.of(trainer.state())  # the first takes the memory

    def copied() -> float:
        start = time.perf_counter()
        copy.of(trainer.state())
        return time.perf_counter() - start

    def written() -> float:
        """An epoch that is the best so far."""
        start = time.perf_counter()
        write_checkpoint(folder / "best.pt", {"model": trainer.model.state_dict()})
        rotate_and_write(folder, {"trainer": trainer.state()})
        return time.perf_counter() - start

    return compare(name, "s/epoch", AIM, copied, written, options.pairs)


if __name__ == "__main__":
    sys.exit(main("saving", "seconds that training waits for a checkpoint", cases))
