"""Which share of every batch this process trains: all of it, or one of several equal parts.

Data parallel in the way of report D: every process holds the whole network, trains its share of
each batch, and DistributedDataParallel averages the gradients (gloo on CPUs, NCCL on GPUs). Both
of SAM's passes are averaged, so its perturbation is that of the whole batch and the number of
processes changes rounding only (and BatchNorm, which normalises each share by itself).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainers.execution import Execution


class Ranks:
    """The ranks of a single process: every batch is its own."""

    rank = 0
    size = 1

    def device(self, name: str) -> torch.device:
        return torch.device(name)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the network to call while training."""
        return model

    def share(self, start: int, stop: int) -> tuple[int, int]:
        """Return this process's part of the batch [start, stop)."""
        n = stop - start
        return start + self.rank * n // self.size, start + (self.rank + 1) * n // self.size

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of ``values`` over all processes."""
        return values

    def from_first(self, values: Tensor) -> Tensor:
        """Return the first process's ``values``, everywhere."""
        return values

    def pids(self) -> list[int]:
        """Return the processes that were started, without this one."""
        return []

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Return a context manager within which an error caused by the loss of another process
        names that process; after any error the others are ended."""
        yield

    def close(self) -> None:
        """Ends what was started."""


class ParallelRanks(Ranks):
    """One of ``size`` processes that find each other by the file ``rendezvous``; waits for all."""

    def __init__(self, execution: Execution, rank: int, rendezvous: Path):
        self.rank = rank
        self.size = execution.processes
        self._cuda = execution.device == "cuda"
        ParallelRanks.close(self)  # of a run that was given up before it began
        if self._cuda:
            torch.cuda.set_device(rank)  # what names no card would otherwise be on the first
        dist.init_process_group(
            backend="nccl" if self._cuda else "gloo",
            init_method=f"file://{rendezvous}",
            rank=rank,
            world_size=self.size,
        )

    def device(self, name: str) -> torch.device:
        return torch.device(name, self.rank) if self._cuda else torch.device(name)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the network to call while training. BatchNorm's statistics are not sent around at
        each pass: every process normalises by its own share of a batch, and the first one's are
        those that are evaluated and kept."""
        parallel, devices = nn.parallel.DistributedDataParallel, [self.rank] if self._cuda else None
        buffers = [name for name, _ in model.named_buffers()]  # the same at first, by their seed
        parallel._set_params_and_buffers_to_ignore_for_model(model, buffers)
        return parallel(model, device_ids=devices, gradient_as_bucket_view=True)  # no copy of them

    def total(self, values: Tensor) -> Tensor:
        dist.all_reduce(values)
        return values

    def from_first(self, values: Tensor) -> Tensor:
        dist.broadcast(values, src=0)
        return values

    def close(self) -> None:
        """Close when all has been computed, or is given up. NCCL's part is aborted, since to finish
        it could wait for a process that is gone."""
        if not dist.is_initialized():
            return
        if self._cuda:
            dist.distributed_c10d._abort_process_group()
        else:
            dist.destroy_process_group()
