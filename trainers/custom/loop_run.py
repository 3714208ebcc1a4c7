"""One setting of a training function, trained in one folder: kept after every epoch, resumed where
it was begun. To its callers it is what ``trainers.runs.training_run.TrainingRun`` is."""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import GeneratorType
from typing import Any, cast

import torch

from trainers.atomic_files import remove_partials
from trainers.custom.loop_config import LoopConfig
from trainers.custom.pulse import pulse
from trainers.custom.run import Progress, Run
from trainers.custom.state import keep
from trainers.execution import Execution
from trainers.failpoints import failpoint
from trainers.resource_monitor import ResourceMonitor
from trainers.runs.checkpoint import rotate_and_write
from trainers.runs.history import write_rows
from trainers.runs.identity import Identity
from trainers.seeds import seed_everything
from trainers.user_code import load

OWN = ("epoch", "seconds")  # columns of a history that are not the function's


@dataclass(frozen=True)
class LoopResult:
    """What the function yielded for an epoch, and how many seconds that took."""

    epoch: int
    seconds: float
    metrics: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, **self.metrics, "seconds": self.seconds}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> LoopResult:
        metrics = {name: value for name, value in values.items() if name not in OWN}
        return cls(values["epoch"], values["seconds"], metrics)


@dataclass(frozen=True)
class LoopEvaluation:
    """What a training function returned at its end."""

    returned: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        return dict(self.returned)


class LoopRun:
    """Trains ``config`` by its function, keeping all in ``folder``.

    ``number`` is the trial's. ``problems`` lists checkpoints that were passed over, one line each,
    ``remarks`` the figures that are no numbers; ``on_batch`` is called now and then while the
    function is at work, ``on_kept`` when an epoch is on disk, before it is given out.
    """

    def __init__(
        self, config: LoopConfig, execution: Execution, folder: Path, number: int | None = None
    ):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_partials(folder)
        self.identity = Identity(config, execution, "")
        self.progress = Progress()
        self.remarks: dict[str, str] = {}
        self._run = Run(config, execution, self.progress, folder, number)
        self.history: list[LoopResult] = []
        self.on_batch: Callable[[], None] = lambda: None
        self.on_kept: Callable[[], None] = lambda: None
        self._config, self._execution = config, execution
        self._function = load(config.train, with_neighbours=True)
        self.at_work: GeneratorType[Any, None, Any] | None = None
        self._evaluation = LoopEvaluation()
        earlier = self._resume()
        self._monitor = ResourceMonitor(execution.device, earlier)

    def _resume(self) -> dict[str, float]:
        """Goes on from the newest checkpoint that is whole and ours; what it had cost."""
        state, self.problems = self.identity.newest_checkpoint(self.folder)
        if state is None:
            return {}
        self.history = [LoopResult.from_mapping(row) for row in state["history"]]
        self.progress.kept, self.progress.done = state["objects"], len(self.history)
        self.progress.stopped = state["stopped"]
        return state["usage"]  # type: ignore[no-any-return]

    def results(self) -> Iterator[LoopResult]:
        """Yield every epoch from the first: those already trained at once, the others as they
        come."""
        self._write_history()
        yield from list(self.history)
        torch.set_num_threads(self._execution.threads)
        seed_everything(self._config.seed, "start")
        self.at_work = self._called()
        self._monitor.start()
        try:
            with pulse(lambda: self.on_batch()):
                yield from self._epochs(self.at_work)
        finally:
            self.at_work.close()
            self._monitor.stop()

    def _called(self) -> GeneratorType[Any, None, Any]:
        at_work: Any = self._function(self._config.to_dict(), self._run)
        if not inspect.isgenerator(at_work):
            raise TypeError(
                f"{self._config.train} must yield the metrics of each epoch, it returned "
                f"{at_work!r:.60}"
            )
        return cast("GeneratorType[Any, None, Any]", at_work)

    def _epochs(self, at_work: GeneratorType[Any, None, Any]) -> Iterator[LoopResult]:
        while True:
            try:
                metrics = next(at_work)
            except StopIteration as end:
                self._evaluation = LoopEvaluation(self._numbers(end.value or {}, "returned"))
                return
            self._keep(metrics)
            yield self.history[-1]

    def _keep(self, metrics: Any) -> None:
        at, found = self.progress, self._numbers(metrics, "yielded")
        if at.objects is None or self._config.objective not in found:
            raise TypeError(
                f"each epoch of run.epochs must yield {self._config.objective!r}, a number, got "
                f"{metrics!r:.80}"
            )
        epoch = at.epoch
        if epoch <= len(self.history):
            raise RuntimeError(f"epoch {epoch} yielded its metrics twice")
        self.history.append(LoopResult(epoch, time.perf_counter() - at.began, found))
        failpoint("epoch trained")
        objects = keep(at.objects)
        rotate_and_write(
            self.folder,
            {
                "identity": self.identity.to_dict(),
                "history": [result.to_dict() for result in self.history],
                "objects": objects,
                "stopped": at.stopped,
                "usage": self._monitor.usage(),
            },
        )
        at.kept, at.done = objects, epoch
        failpoint("checkpoint kept")
        self._write_history()
        failpoint("history written")
        self.on_kept()

    def _write_history(self) -> None:
        names = dict.fromkeys(name for result in self.history for name in result.metrics)
        rows = [result.to_dict() for result in self.history]
        write_rows(self.folder, ["epoch", *names, "seconds"], rows)

    def _numbers(self, metrics: Any, verb: str) -> dict[str, float]:
        """Return ``metrics`` as plain numbers; what is none is left out with a remark. Raises
        ``TypeError``."""
        if not isinstance(metrics, Mapping):
            raise TypeError(
                f"a training function must have {verb} a dictionary, got {metrics!r:.60}"
            )
        found = {}
        for name, value in metrics.items():
            if not isinstance(name, str) or not name.isprintable() or name in ("", *OWN):
                raise TypeError(f"a metric's name must be a text other than {OWN}, got {name!r}")
            number = _number(value)
            if number is not None:
                found[name] = number
            elif name not in self.remarks:
                self.remarks[name] = f"{name} is left out, which is no number: {value!r:.40}"
                warnings.warn(self.remarks[name], stacklevel=2)
        return found

    def test(self) -> LoopEvaluation:
        """Return what the function returned at its end."""
        return self._evaluation

    def usage(self) -> dict[str, float]:
        """Return what the run has cost so far."""
        seconds = sum(result.seconds for result in self.history)
        return self._monitor.usage() | {"seconds_per_epoch": seconds / max(1, len(self.history))}


def _number(value: Any) -> float | None:
    """Return a number, None where ``value`` is none, nor an array or a tensor of one."""
    try:
        return None if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
