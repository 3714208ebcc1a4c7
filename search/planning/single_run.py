"""One setting of a space, fully decided, for the commands that do not search."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from search.planning.flag_checks import known
from search.planning.job import choose_preset, fixed_space
from search.planning.machine import gpu_count
from search.planning.resources import choose_resources, default_execution
from spaces.space import ScaledSpace
from trainers.config import TrainConfig
from trainers.execution import PRECISIONS, Execution


@dataclass(frozen=True)
class Setting:
    """What is trained, on which data and how it is computed."""

    space: ScaledSpace
    preset_reason: str
    config: TrainConfig
    execution: Execution
    dataset: str
    data_dir: Path


def resolve_setting(args: argparse.Namespace, processes: int = 1) -> Setting:
    """The recipe of ``args``'s space with what is set. One run has the whole machine.

    Raises ``UserError`` or ``ConfigError``.
    """
    gpus = gpu_count()
    preset_name, reason = choose_preset(args.preset, gpus)
    space = fixed_space(args, preset_name)
    resources = choose_resources(1, args.threads, None, gpus, processes)
    precision = known("precision", args.precision, ("auto", *PRECISIONS))
    return Setting(
        space=space,
        preset_reason=reason,
        config=TrainConfig.from_mapping(dict(space.recipe)),
        execution=default_execution(resources, precision),
        dataset=args.dataset or space.preset.dataset,
        data_dir=Path(args.data_dir).expanduser(),
    )
