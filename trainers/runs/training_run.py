"""One setting trained in one folder: resumed if it was begun, kept after every epoch.

The folder holds ``checkpoint.pt`` (and the one before), ``best.pt``, ``history.csv`` and, when
the run is complete, ``test.json``. Nothing here knows of a search.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from trainers.atomic_files import remove_partials, write_atomically
from trainers.config import TrainConfig
from trainers.data import open_prepared
from trainers.epoch_result import EpochResult, best_epoch
from trainers.evaluation.evaluation import Evaluation
from trainers.execution import Execution
from trainers.failpoints import failpoint
from trainers.models.summary import ModelSummary, summarize
from trainers.parallel.first_rank import FirstRank
from trainers.parallel.ranks import Ranks
from trainers.resource_monitor import ResourceMonitor
from trainers.rules import ConfigError
from trainers.runs.checkpoint import (
    CheckpointError,
    read_checkpoint,
    read_newest,
    rotate_and_write,
    write_checkpoint,
)
from trainers.runs.identity import Identity
from trainers.trainer import Trainer, fitting_split

BEST, HISTORY, TEST = "best.pt", "history.csv", "test.json"


class TrainingRun:
    """Trains ``config`` on the prepared data set ``data_folder``, keeping all in ``folder``.

    ``problems`` lists checkpoints that were passed over, one line each.
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
        state, self.problems = read_newest(self.folder)
        if state is None:
            return {}
        change = self._change_since(state)
        if change:
            self.problems.append(
                f"{self.folder}: its checkpoint is of another configuration: {change}"
            )
            return {}
        best = self._best_weights(state["trainer"])
        if best is None:
            return {}
        self.trainer.load(state["trainer"], best)
        return state["usage"]

    def _change_since(self, checkpoint: dict[str, Any]) -> str:
        """What is different from the run that wrote ``checkpoint``; empty where nothing is."""
        try:
            return Identity.from_mapping(checkpoint["identity"]).difference(self.identity)
        except (ConfigError, KeyError, TypeError) as error:
            return f"{type(error).__name__}: {error}"

    def _best_weights(self, state: dict[str, Any]) -> dict[str, Tensor] | None:
        """Those of the best epoch of a trainer's ``state``, or None where they are lost.

        They may be of an epoch after it, which a killed process had begun to keep: that epoch
        is trained again, to the same weights.
        """
        history = [EpochResult.from_mapping(item) for item in state["history"]]
        epoch = best_epoch(history, self.trainer.config.objective)
        if epoch == len(history):
            return state["model"]
        path = self.folder / BEST
        try:
            best = read_checkpoint(path)
        except (CheckpointError, OSError) as error:
            self.problems.append(str(error))
            return None
        if self._change_since(best) or best["epoch"] < epoch:
            self.problems.append(f"{path}: not the weights of this run's best epoch, {epoch}")
            return None
        return best["model"]

    def results(self) -> Iterator[EpochResult]:
        """Every epoch from the first: those already trained at once, the others as they come.

        An epoch is on disk before it is given out.
        """
        self._write_history()
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
            while not self.trainer.finished:
                yield self._epoch()
        finally:
            self._monitor.stop()

    def _epoch(self) -> EpochResult:
        with self._ranks.guarded():
            result = self.trainer.train_epoch()
        failpoint("epoch trained")
        if self.trainer.best_is_last:
            best = {"epoch": result.epoch, "model": self.trainer.best_weights}
            known = {"identity": self.identity.to_dict(), "data_folder": str(self._data_folder)}
            write_checkpoint(self.folder / BEST, {**known, **best})
        failpoint("best kept")
        state = {
            "identity": self.identity.to_dict(),
            "trainer": self.trainer.state(),
            "usage": self._monitor.usage(),
        }
        rotate_and_write(self.folder, state)
        failpoint("checkpoint kept")
        self._write_history()
        failpoint("history written")
        return result

    def test(self) -> Evaluation:
        """The test set at the best epoch, also written to ``test.json`` with class names."""
        evaluation = self.trainer.test()
        content = {"classes": list(self.data.classes), **evaluation.to_dict()}
        write_atomically(self.folder / TEST, json.dumps(content).encode())
        return evaluation

    def usage(self) -> dict[str, float]:
        """What the run has cost so far, and the size of its model."""
        history = self.trainer.history
        seconds = sum(result.seconds + result.val_seconds for result in history)
        return self._monitor.usage() | {
            "parameters": self._summary.parameters,
            "macs": self._summary.macs,
            "seconds_per_epoch": seconds / max(1, len(history)),
        }

    @cached_property
    def _summary(self) -> ModelSummary:
        """Counted once: on tiny images it costs a thirtieth of an epoch."""
        return summarize(self.trainer.model, self.data.in_channels, self.data.image_size, 1)

    def _write_history(self) -> None:
        """Whole every time: a worker of a dead driver, still at work for a moment, adds nothing
        twice."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow([item.name for item in fields(EpochResult)])
        writer.writerows(result.to_dict().values() for result in self.trainer.history)
        write_atomically(self.folder / HISTORY, text.getvalue().encode())


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The rows of ``history.csv`` as numbers; empty when there is none. A line that is not whole
    (a copy, or another program at work) does not count."""
    path = folder / HISTORY
    if not path.exists():
        return []
    with open(path, newline="") as file:
        whole = [line for line in file if line.endswith("\n")]
    return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(whole)]
