"""Which share of every batch this process trains: all of it, or one of several equal parts.

Data parallel in the way of report D: every process holds the whole network, trains its share of
each batch, and DistributedDataParallel averages the gradients (gloo on CPUs, NCCL on GPUs). Both
of SAM's passes are averaged, so the climb is that of the whole batch and the number of processes
changes rounding only (and BatchNorm, which normalises each share by itself).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainers.config import TrainConfig
from trainers.execution import Execution


class Ranks:
    """A process alone: every batch is its own."""

    rank = 0
    size = 1

    def device(self, name: str) -> torch.device:
        return torch.device(name)

    def wrap(self, model: nn.Module) -> nn.Module:
        """The network to call while training."""
        return model

    def share(self, start: int, stop: int) -> tuple[int, int]:
        """This process's part of the batch [start, stop)."""
        n = stop - start
        return start + self.rank * n // self.size, start + (self.rank + 1) * n // self.size

    def total(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all processes."""
        return values

    def from_first(self, values: Tensor) -> Tensor:
        """The first process's ``values``, everywhere."""
        return values

    def close(self) -> None:
        """Ends what was started."""


class ParallelRanks(Ranks):
    """One of ``size`` processes that meet at the file ``meeting``; waits for all to come."""

    def __init__(self, execution: Execution, rank: int, meeting: Path):
        self.rank = rank
        self.size = execution.processes
        self._cuda = execution.device == "cuda"
        dist.init_process_group(
            backend="nccl" if self._cuda else "gloo",
            init_method=f"file://{meeting}",
            rank=rank,
            world_size=self.size,
        )

    def device(self, name: str) -> torch.device:
        return torch.device(name, self.rank) if self._cuda else torch.device(name)

    def wrap(self, model: nn.Module) -> nn.Module:
        devices = [self.rank] if self._cuda else None
        return nn.parallel.DistributedDataParallel(model, device_ids=devices)

    def total(self, values: Tensor) -> Tensor:
        dist.all_reduce(values)
        return values

    def from_first(self, values: Tensor) -> Tensor:
        dist.broadcast(values, src=0)
        return values

    def close(self) -> None:
        dist.destroy_process_group()


class LeadingRanks(ParallelRanks):
    """The first process, which starts the others and ends them."""

    def __init__(self, config: TrainConfig, data: Path, execution: Execution, folder: Path):
        self._scratch = tempfile.TemporaryDirectory(prefix="sharpsearch-ranks-")
        meeting = Path(self._scratch.name) / "meeting"
        task: dict[str, Any] = {
            "config": config.to_dict(),
            "data": str(data.resolve()),
            "execution": execution.to_dict(),
            "folder": str(folder.resolve()),
            "meeting": str(meeting),
            "leader": os.getpid(),
        }
        self._followers = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "trainers.parallel.follower",
                    json.dumps({**task, "rank": rank}),
                ]
            )
            for rank in range(1, execution.processes)
        ]
        super().__init__(execution, 0, meeting)

    def close(self) -> None:
        for follower in self._followers:
            follower.kill()
            follower.wait()
        super().close()
        self._scratch.cleanup()
