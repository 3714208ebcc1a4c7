"""What a training function of the user's own is handed, beside its configuration."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainers.custom.loop_config import LoopConfig
from trainers.custom.state import expanded, keep, put_back
from trainers.execution import Execution
from trainers.seeds import seed_everything


@dataclass
class Progress:
    """How far a training has come: its present ``epoch``, which ``began`` then, by
    ``time.perf_counter``; the last one that is ``done``, its metrics yielded; the ``objects`` that
    were handed over, with the parts of theirs that have a state, and what is ``kept`` of them."""

    epoch: int = 0
    began: float = 0.0
    done: int = 0
    stopped: bool = False
    objects: Mapping[str, Any] | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


class Run:
    """One training: its epochs, where it may compute, and where it may write.

    ``device`` is "cpu" or "cuda"; ``threads`` are those of the processor that it may use. What is
    written to ``folder``, the trial's own, stays there, but for files called as the search's own,
    such as best.pt; ``number`` is the trial's, None outside a study.
    """

    def __init__(
        self,
        config: LoopConfig,
        execution: Execution,
        progress: Progress,
        folder: Path,
        number: int | None = None,
    ):
        self.device, self.threads = execution.device, execution.threads
        self.folder, self.number = folder, number
        self._config = config
        self._progress = progress

    def epochs(self, **objects: Any) -> Iterator[int]:
        """Yield the numbers of the epochs that are left, from 1 on; ``objects`` is all that must be
        kept for the next one.

        They are put back as they were when the last epoch's metrics were yielded, so yield when the
        epoch's work is done, scheduler and all. Each epoch begins with its own random numbers.
        Raises ``TypeError`` naming an object that cannot be kept and put back.
        """
        at = self._progress
        if at.objects is not None:
            raise RuntimeError("run.epochs may be called once in a training function")
        at.objects = expanded(objects)
        keep(at.objects)
        if at.done:
            put_back(at.objects, at.kept)
        while at.done < self._config.epochs and not at.stopped:
            at.epoch = epoch = at.done + 1
            seed_everything(self._config.seed, "epoch", epoch)
            at.began = time.perf_counter()
            yield epoch
            if at.done < epoch:
                raise RuntimeError(f"epoch {epoch} ended without a yield of its metrics")

    def stop(self) -> None:
        """End training after the present epoch; to be called before its metrics are yielded."""
        self._progress.stopped = True
