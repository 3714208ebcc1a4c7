"""Memory that a data set takes in N workers together, against one data set.

    python -m benchmarks.worker_memory

A worker opens the prepared data and reads all of it batch by batch, as a trial does. Counted is
by how much its share of memory (PSS: pages that n processes map count 1/n in each) has grown
since the same was done with a hundred images, while all workers are still there. Linux only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

from benchmarks.data import part_of, prepared
from benchmarks.harness import Aim, Case, Options, compare, main
from trainers.config import TrainConfig
from trainers.data import ImageData
from trainers.data.prepared import load_prepared

WORKERS, FEW = 4, 2
MEGABYTE = 1024 * 1024
ALL = 10**9


def cases(options: Options) -> list[Case]:
    folder = prepared(options)
    size = sum(array.nbytes for array in load_prepared(folder)[1].values()) / MEGABYTE
    n = options.of(WORKERS, FEW)
    name, aim = f"{n} workers", Aim("≤", 1.2)
    return [compare(name, "MiB", aim, lambda: _growth(folder, n), lambda: size, options.pairs)]


def _growth(folder: Path, n: int) -> float:
    """MiB that ``n`` workers have taken for the data, together."""
    command = [sys.executable, "-m", "benchmarks.worker_memory", "worker", str(folder)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(n)
    ]
    try:
        before = sum(_answer(worker) for worker in workers)
        for worker in workers:  # first all read, then all are weighed
            _ask(worker)
        for worker in workers:
            _answer(worker)
        for worker in workers:
            _ask(worker)
        return sum(_answer(worker) for worker in workers) - before
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _ask(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    worker.stdin.write("go on\n")
    worker.stdin.flush()


def _answer(worker: subprocess.Popen[str]) -> float:
    assert worker.stdout is not None
    return float(worker.stdout.readline())


def worker(folder: Path, orders: IO[str]) -> None:
    """Reads some images and weighs itself; then all of them; then weighs itself again."""
    _read(part_of(folder, 100, 100))
    print(_weight(), flush=True)
    orders.readline()
    kept = _read(part_of(folder, ALL, ALL))
    print(0, flush=True)
    orders.readline()
    print(_weight(), flush=True)
    del kept


def _read(data: ImageData) -> object:
    from trainers.execution import Execution
    from trainers.trainer import Trainer

    config = TrainConfig(model="lenet", batch_size=50)
    trainer = Trainer(config, data, Execution())
    for _ in trainer.batches.training(trainer.train_indices, 1):
        pass
    for _ in trainer.batches.validation(trainer.val_indices):
        pass
    for _ in trainer.batches.test():
        pass
    return trainer


def _weight() -> float:
    """This process's proportional share of memory in MiB."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not say what a process's share of memory is")


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(Path(sys.argv[2]), sys.stdin)
    else:
        sys.exit(main("worker_memory", "memory of a data set in N workers", cases))
