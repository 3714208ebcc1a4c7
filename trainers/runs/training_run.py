"""One setting trained in one folder: resumed if it was begun, kept after every epoch.

The folder holds ``checkpoint.pt`` (and the one before), ``best.pt``, ``history.csv`` and, when
the run is complete, ``test.json``. Nothing here knows of a search.
"""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.atomic_files import remove_partials, write_atomically
from trainers.config import TrainConfig
from trainers.cuda.gpu_sampler import MEGABYTE, OWN_PEAK
from trainers.data import open_prepared
from trainers.epoch_result import EpochResult, best_epoch
from trainers.evaluation.evaluation import Evaluation
from trainers.execution import Execution
from trainers.failpoints import failpoint
from trainers.models.summary import ModelSummary, summarize
from trainers.parallel.first_rank import FirstRank
from trainers.parallel.ranks import Ranks
from trainers.resource_monitor import ResourceMonitor
from trainers.runs.checkpoint import (
    CheckpointError,
    read_checkpoint,
    rotate_and_write,
    write_checkpoint,
)
from trainers.runs.history import write_history
from trainers.runs.identity import Identity
from trainers.runs.snapshot import HostCopy
from trainers.trainer import Trainer, evaluated_weights, fitting_split

BEST, TEST = "best.pt", "test.json"
GRAPH_LACK = "graph_lack_mb"


class TrainingRun:
    """Trains ``config`` on the prepared data set ``data_folder``, keeping all in ``folder``.

    ``problems`` lists checkpoints that were passed over, one line each; ``on_kept`` is called when
    an epoch is on disk, before it is given out, while the next one is trained.
    """

    def __init__(
        self,
        config: TrainConfig,
        data_folder: Path,
        execution: Execution,
        folder: Path,
        ranks: Ranks | None = None,
    ):
        self.folder = folder
        self.on_kept: Callable[[], None] = lambda: None
        folder.mkdir(parents=True, exist_ok=True)
        if ranks is None:
            remove_partials(folder)
        self.data = open_prepared(data_folder)
        self._data_folder = data_folder.resolve()
        if ranks is None and execution.processes > 1:
            fitting_split(config, self.data, execution)  # asked before any process is started
            ranks = FirstRank(config, data_folder, execution, folder)
        self._ranks = ranks or Ranks()
        self.identity = Identity(config, execution, self.data.fingerprint)
        self.problems: list[str] = []
        with self._ranks.guarded():
            self.trainer = Trainer(config, self.data, execution, self._ranks)
            earlier = self._resume()
        self._monitor = ResourceMonitor(execution.device, earlier, self._ranks.pids())

    def _resume(self) -> dict[str, float]:
        """Goes on from the newest checkpoint that is whole and ours; what it had cost."""
        state, self.problems = self.identity.newest_checkpoint(self.folder)
        if state is None:
            return {}
        best = self._best_weights(state["trainer"])
        if best is None:
            return {}
        self.trainer.load(state["trainer"], best)
        return state["usage"]

    def _best_weights(self, state: dict[str, Any]) -> dict[str, Tensor] | None:
        """Return the weights of the best epoch of a trainer's ``state``, or None where they are
        lost.

        They may be of an epoch after it, which a killed process had begun to keep: that epoch
        is trained again, to the same weights.
        """
        history = [EpochResult.from_mapping(item) for item in state["history"]]
        epoch = best_epoch(history, self.trainer.config.objective)
        if epoch == len(history):
            return evaluated_weights(state)
        path = self.folder / BEST
        try:
            best = read_checkpoint(path)
        except (CheckpointError, OSError) as error:
            self.problems.append(str(error))
            return None
        if self.identity.change_since(best) or best["epoch"] < epoch:
            self.problems.append(f"{path}: not the weights of this run's best epoch, {epoch}")
            return None
        return best["model"]

    def results(self) -> Iterator[EpochResult]:
        """Yield every epoch from the first: those already trained at once, the others as they come.

        An epoch is on disk before it is given out.
        """
        write_history(self.folder, self.trainer.history)
        try:
            yield from list(self.trainer.history)
            yield from self._further()
        finally:
            self._ranks.close()

    def _further(self) -> Iterator[EpochResult]:
        if self.trainer.finished:
            return
        self._monitor.start()
        try:
            with ThreadPoolExecutor(1, "checkpoints") as writer:
                yield from self._epochs(writer)
        finally:
            self._monitor.stop()

    def _epochs(self, writer: Executor) -> Iterator[EpochResult]:
        """Yield the epochs. Each is written while the next is trained, and returned in the midst of
        that, as soon as it is on disk: one who stops then has wasted no more than the time of
        writing."""
        copy, writing = HostCopy(self.trainer.device), deque[Future[EpochResult]]()
        while not self.trainer.finished:
            with self._ranks.guarded():
                try:
                    for _ in self.trainer.epoch_in_steps():
                        yield from self._written(writing)
                except Exception:  # of this epoch: the one before is none the worse for it
                    yield from self._written(writing, wait=True)
                    raise
                yield from self._written(writing, wait=True)
            failpoint("epoch trained")
            state = copy.of(self.trainer.state())
            is_best, usage = self.trainer.best_is_last, self._cost()
            writing.append(writer.submit(self._keep, state, is_best, usage))
        yield from self._written(writing, wait=True)

    def _written(
        self, writing: deque[Future[EpochResult]], wait: bool = False
    ) -> Iterator[EpochResult]:
        """Yield the epoch that is being written, if it is on disk, or when it is."""
        if writing and (wait or writing[0].done()):
            result = writing.popleft().result()
            devices = [self.trainer.device] if self.trainer.device.type == "cuda" else []
            with torch.random.fork_rng(devices):  # whoever takes it may draw random numbers
                yield result

    def _keep(self, state: dict[str, Any], is_best: bool, usage: dict[str, float]) -> EpochResult:
        """Writes the last epoch of a trainer's ``state``."""
        identity = self.identity.to_dict()
        history = [EpochResult.from_mapping(item) for item in state["history"]]
        if is_best:
            known = {"identity": identity, "data_folder": str(self._data_folder)}
            best = {"epoch": len(history), "model": evaluated_weights(state)}
            write_checkpoint(self.folder / BEST, {**known, **best})
        failpoint("best kept")
        rotate_and_write(self.folder, {"identity": identity, "trainer": state, "usage": usage})
        failpoint("checkpoint kept")
        write_history(self.folder, history)
        failpoint("history written")
        self.on_kept()
        return history[-1]

    def test(self) -> Evaluation:
        """Return the test set at the best epoch, also written to ``test.json`` with class names."""
        evaluation = self.trainer.test()
        content = {"classes": list(self.data.classes), **evaluation.to_dict()}
        write_atomically(self.folder / TEST, json.dumps(content).encode())
        return evaluation

    def usage(self) -> dict[str, Any]:
        """Return what the run has cost so far, the size of its model, and on a GPU whether its
        steps are replayed as a "graph" or why not, and how much memory was missing for one."""
        history = self.trainer.history
        seconds = sum(result.seconds + result.val_seconds for result in history)
        return self._cost() | {
            "parameters": self._summary.parameters,
            "macs": self._summary.macs,
            "seconds_per_epoch": seconds / max(1, len(history)),
            **self._graph(),
        }

    def _graph(self) -> dict[str, Any]:
        if self.trainer.execution.device != "cuda":
            return {}
        lack = self.trainer.graphed.lack / MEGABYTE if self.trainer.graphed else 0
        return {"graph": self.trainer.graph_status} | ({GRAPH_LACK: lack} if lack else {})

    def _cost(self) -> dict[str, float]:
        """Return the monitor's figures; the peak of memory counts from before a graph began it
        anew."""
        cost, graphed = self._monitor.usage(), self.trainer.graphed
        if graphed and OWN_PEAK in cost:
            cost[OWN_PEAK] = max(cost[OWN_PEAK], graphed.peak_before / MEGABYTE)
        return cost

    @cached_property
    def _summary(self) -> ModelSummary:
        """The model's size, counted once, on the CPU: on tiny images it costs a thirtieth of an
        epoch, and a GPU would first look for a kernel for each layer and a single image."""
        tensors = [*self.trainer.model.parameters(), *self.trainer.model.buffers()]
        on_host = {id(tensor): tensor.detach().cpu() for tensor in tensors}
        model = copy.deepcopy(self.trainer.model, on_host)
        return summarize(model, self.data.in_channels, self.data.image_size, 1)
