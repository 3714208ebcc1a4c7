"""The run of a setting, whatever trains it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from trainers.config import Config
from trainers.custom.loop_config import LoopConfig
from trainers.execution import Execution


class Result(Protocol):
    """The protocol of one epoch's result."""

    @property
    def epoch(self) -> int: ...

    def to_dict(self) -> dict[str, Any]: ...


class Tested(Protocol):
    """The protocol of what is reported when training is over."""

    def figures(self) -> dict[str, float]: ...


class Run(Protocol):
    """One setting trained in one folder; ``problems`` are checkpoints that were passed over."""

    problems: list[str]

    def results(self) -> Iterator[Result]: ...

    def test(self) -> Tested: ...

    def usage(self) -> dict[str, float]: ...


def open_run(
    config: Config,
    data_folder: Path,
    execution: Execution,
    folder: Path,
    on_batch: Callable[[], None] | None = None,
    on_kept: Callable[[], None] | None = None,
    number: int | None = None,
) -> Run:
    """Open a run. ``number`` is the trial's, of a study. ``on_batch`` is called at every batch, or
    as often as a function of the user's own shows that it is at work; ``on_kept`` when an epoch is
    on disk, before it is returned."""
    if isinstance(config, LoopConfig):
        from trainers.custom.loop_run import LoopRun

        loop = LoopRun(config, execution, folder, number)
        loop.on_batch = on_batch or loop.on_batch
        loop.on_kept = on_kept or loop.on_kept
        return loop
    from trainers.runs.training_run import TrainingRun

    run = TrainingRun(config, data_folder, execution, folder)
    if on_batch:
        run.trainer.batches.on_batch = on_batch
    run.on_kept = on_kept or run.on_kept
    return run
