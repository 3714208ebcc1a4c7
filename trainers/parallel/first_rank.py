"""The first process of a data-parallel trial, which starts the others, watches and ends them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import torch.distributed as dist

from trainers.config import TrainConfig
from trainers.epoch_result import DivergedError
from trainers.execution import Execution
from trainers.parallel.ranks import ParallelRanks

Processes = Mapping[int, subprocess.Popen[bytes]]  # by rank
SECONDS_BETWEEN_CHECKS = 0.05
SECONDS_TO_DIE = 2.0  # a closed connection may be seen before the process that closed it is gone


class RankError(RuntimeError):
    """Another process of the trial has ended; the text says which, and what it said last."""


class FirstRank(ParallelRanks):
    """Starts the others with ``rank_process``; raises ``RankError`` if one ends before all have
    come together."""

    def __init__(self, config: TrainConfig, data: Path, execution: Execution, folder: Path):
        self._scratch = tempfile.TemporaryDirectory(prefix="sharpsearch-ranks-")
        task = {
            "config": config.to_dict(),
            "data": str(data.resolve()),
            "execution": execution.to_dict(),
            "folder": str(folder.resolve()),
            "scratch": self._scratch.name,
            "first": os.getpid(),
        }
        command = [sys.executable, "-m", "trainers.parallel.rank_process"]
        self._processes = {
            rank: subprocess.Popen(
                [*command, json.dumps({**task, "rank": rank})], stdin=subprocess.PIPE
            )
            for rank in range(1, execution.processes)
        }
        self._closed = Event()
        self._end = weakref.finalize(self, _end, self._processes, self._scratch, self._closed)
        try:
            self._wait_for_others()
            super().__init__(execution, 0, rendezvous_file(self._scratch.name))
        except BaseException:
            self.close()
            raise
        if self._cuda:
            Thread(target=_abort_with, args=(self._processes, self._closed), daemon=True).start()

    def _wait_for_others(self) -> None:
        """Wait until each process is about to join: torch would wait half an hour for one that has
        died."""
        while not all(ready_file(self._scratch.name, rank).exists() for rank in self._processes):
            self._check()
            time.sleep(SECONDS_BETWEEN_CHECKS)

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values()]

    @contextmanager
    def guarded(self) -> Iterator[None]:
        try:
            yield
            if self._cuda:  # what was computed with an aborted group is no result
                self._check()
        except BaseException as error:
            try:
                if isinstance(error, RuntimeError) and not isinstance(error, DivergedError):
                    self._check(error)
            finally:
                self.close()
            raise

    def _check(self, error: Exception | None = None) -> None:
        """Raises ``RankError`` where another process has ended, which may be why ``error`` came."""
        deadline = time.monotonic() + (SECONDS_TO_DIE if error else 0)
        while not self._ended() and time.monotonic() < deadline:
            time.sleep(SECONDS_BETWEEN_CHECKS)
        if ended := self._ended():
            raise RankError(self._last_words(ended)) from error

    def _ended(self) -> dict[int, int]:
        """Return exit codes by rank; the others stay until they are ended."""
        codes = {rank: process.poll() for rank, process in self._processes.items()}
        return {rank: code for rank, code in codes.items() if code is not None}

    def _last_words(self, ended: dict[int, int]) -> str:
        """Return the last words of a process that was killed, or of the first to raise: others
        raise since it is gone."""
        size = len(self._processes) + 1
        killed = [rank for rank, code in ended.items() if code < 0]
        if killed:
            signal = -ended[killed[0]]
            return f"process {killed[0]} of {size} was killed by signal {signal}"
        said = sorted(Path(self._scratch.name).glob("*.error"), key=lambda p: p.stat().st_mtime_ns)
        if said:
            return f"process {said[0].stem} of {size}: {said[0].read_text()}"
        rank, code = next(iter(ended.items()))
        return f"process {rank} of {size} ended with exit code {code}"

    def close(self) -> None:
        self._end()
        super().close()


def _end(processes: Processes, scratch: tempfile.TemporaryDirectory[str], closed: Event) -> None:
    """End the processes, also where the object is forgotten before it was closed."""
    closed.set()
    for process in processes.values():
        process.kill()
        process.communicate()
    scratch.cleanup()


def _abort_with(processes: Processes, closed: Event) -> None:
    """gloo notices that a process is gone; NCCL would wait ten minutes for it."""
    while not closed.wait(10 * SECONDS_BETWEEN_CHECKS):
        if any(process.poll() is not None for process in processes.values()):
            if dist.group.WORLD is not None:
                dist.group.WORLD.abort()
            return


def rendezvous_file(scratch: str) -> Path:
    """Return where the processes find each other."""
    return Path(scratch) / "rendezvous"


def ready_file(scratch: str, rank: int) -> Path:
    """Return where a process says that it is about to join."""
    return Path(scratch) / f"{rank}.ready"
