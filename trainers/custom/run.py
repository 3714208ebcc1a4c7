"""What a training function of the user's own is handed, beside its configuration."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainers.custom.loop_config import LoopConfig
from trainers.custom.state import check_restorable, restore
from trainers.execution import Execution
from trainers.seeds import seed_everything


@dataclass
class Progress:
    """How far a training has come: its present ``epoch``, which ``began`` then, by
    ``time.perf_counter``; the last one that is ``done``, its metrics yielded; the ``objects`` that
    were handed over, and what is ``kept`` of them."""

    epoch: int = 0
    began: float = 0.0
    done: int = 0
    stopped: bool = False
    objects: Mapping[str, Any] | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


class Run:
    """One training: its epochs, and where it may compute.

    ``device`` is "cpu" or "cuda"; ``threads`` are those of the processor that it may use.
    """

    def __init__(self, config: LoopConfig, execution: Execution, progress: Progress):
        self.device, self.threads = execution.device, execution.threads
        self._config = config
        self._progress = progress

    def epochs(self, **objects: Any) -> Iterator[int]:
        """The numbers of the epochs that are left, from 1 on; ``objects`` is all that must be kept
        for the next one.

        They are put back as they were when the last epoch's metrics were yielded, so yield when the
        epoch's work is done, scheduler and all. Each epoch begins with its own random numbers.
        """
        at = self._progress
        if at.objects is not None:
            raise RuntimeError("run.epochs may be called once in a training function")
        check_restorable(objects)
        at.objects = objects
        for name, state in at.kept.items():
            restore(objects[name], state)
        while at.done < self._config.epochs and not at.stopped:
            at.epoch = epoch = at.done + 1
            seed_everything(self._config.seed, "epoch", epoch)
            at.began = time.perf_counter()
            yield epoch
            if at.done < epoch:
                raise RuntimeError(f"epoch {epoch} ended without a yield of its metrics")

    def stop(self) -> None:
        """No epoch after the present one; to be called before its metrics are yielded."""
        self._progress.stopped = True
