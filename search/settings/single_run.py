"""One configuration of a space, fully decided, for the commands that do not search."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from search.autotune import machine
from search.autotune.gpus import check_gpus
from search.autotune.resources import choose_resources, default_execution
from search.settings.load_space import asked_space, refuse_own_loop
from search.settings.request import chosen_precision, size_of_images
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.execution import Execution


@dataclass(frozen=True)
class SingleRun:
    """What is trained, on which data and how it is computed."""

    space: ResolvedSpace
    preset_reason: str
    config: TrainConfig
    execution: Execution
    dataset: str
    data_dir: Path
    image_size: int | None = None


def decide_run(args: argparse.Namespace, processes: int | None = None) -> SingleRun:
    """The baseline of ``args``'s space with what is set. One run has the whole machine.

    Raises ``UserError`` or ``ConfigError``.
    """
    gpus = machine.gpu_count()
    space, reason = asked_space(args)
    refuse_own_loop(space)
    resources = choose_resources(1, args.threads, None, gpus, processes or 1)
    precision = chosen_precision(args.precision)
    found = check_gpus(resources, precision)
    return SingleRun(
        space=space,
        preset_reason=reason,
        config=TrainConfig.from_mapping(dict(space.baseline)),
        execution=default_execution(
            resources,
            precision,
            found is not None and found.bfloat16,
            args.deterministic is True,
            args.graph,
        ),
        dataset=args.dataset or space.preset.dataset,
        data_dir=Path(args.data_dir).expanduser(),
        image_size=size_of_images(args),
    )
