"""A search, fully decided: what the command line, the space and the machine come to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.common.errors import UserError
from search.common.layout import StudyFolder, default_storage, preset_suffix
from search.planning.flag_checks import at_least, known, writable
from search.planning.lr_interval import DEFAULT_STEPS, lr_parameter
from search.planning.machine import gpu_count
from search.planning.resources import Resources, choose_resources, default_execution
from search.planning.settings import parse_settings
from search.planning.space_file import find_space
from search.strategy.grid import grid_rows
from search.strategy.pruners import PRUNERS
from search.strategy.samplers import SAMPLERS
from spaces.space import PRESETS, ScaledSpace
from trainers.config import TrainConfig
from trainers.execution import PRECISIONS, Execution


@dataclass(frozen=True)
class Asked:
    """What the user decided; None and "auto" leave it to the program."""

    concurrency: int | None
    threads: int | None
    precision: str
    lr_range_test: bool | None


@dataclass(frozen=True)
class Job:
    """Everything ``search.run`` needs, checked as far as it can be without data or database.

    ``lr_range_steps``: mini-batches of a range test that comes first; 0 for none. ``lr_range``:
    what such a test came to.
    """

    space: ScaledSpace
    preset_reason: str
    config: TrainConfig
    execution: Execution
    dataset: str
    data_dir: Path
    study_name: str
    storage: str
    results_dir: Path
    n_trials: int
    timeout: float | None
    sampler: str
    pruner: str
    seed: int
    resources: Resources
    asked: Asked
    lr_range_steps: int
    lr_range: Mapping[str, Any] | None = None

    @property
    def probes(self) -> bool:
        """Whether precision and threads are left to a probe."""
        alone = self.execution.device == "cpu" and self.execution.processes == 1
        return alone and self.asked.precision == "auto"

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.results_dir, self.study_name)


def resolve(args: argparse.Namespace) -> Job:
    """The job that ``args`` asks for. Raises ``UserError`` or ``ConfigError``."""
    gpus = gpu_count()
    preset_name, reason = choose_preset(args.preset, gpus)
    space = fixed_space(args, preset_name)
    preset = space.preset
    config = TrainConfig.from_mapping(dict(space.recipe))
    sampler = known("sampler", args.sampler or preset.sampler, SAMPLERS)
    precision = known("precision", args.precision, ("auto", *PRECISIONS))
    resources = choose_resources(
        args.concurrency, args.threads, args.gpus_per_trial, gpus, args.processes
    )
    retries = int(at_least("max-retries", args.max_retries, 0) or 0)
    resources = replace(resources, max_retries=retries)
    results_dir = Path(args.results_dir)
    writable(results_dir)
    return Job(
        space=space,
        preset_reason=reason,
        config=config,
        execution=default_execution(resources, precision),
        dataset=args.dataset or preset.dataset,
        data_dir=Path(args.data_dir).expanduser(),
        study_name=args.study_name or f"{space.definition.name}{preset_suffix(preset_name)}",
        storage=args.storage or default_storage(results_dir),
        results_dir=results_dir,
        n_trials=_total(args.n_trials, sampler, space),
        timeout=at_least("timeout", args.timeout, 0),
        sampler=sampler,
        pruner=known("pruner", args.pruner or preset.pruner, PRUNERS),
        seed=int(at_least("seed", args.seed, 0) or 0),
        resources=resources,
        asked=Asked(args.concurrency, args.threads, precision, args.lr_range_test),
        lr_range_steps=_range_steps(args.lr_range_test, space),
    )


def choose_preset(asked: str, gpus: int) -> tuple[str, str]:
    """The preset's name, and the sentence that says why and how to get the other."""
    known("preset", asked, ("auto", *PRESETS))
    if asked != "auto":
        return asked, f"preset {asked}, as asked"
    if gpus:
        return "full", f"preset full: found {gpus} GPU(s); for the small one: --preset quick"
    return "quick", "preset quick: no GPU found; for the report's own scale: --preset full"


def fixed_space(args: argparse.Namespace, preset_name: str) -> ScaledSpace:
    """The space of ``args`` at a preset's scale, with what --set and --epochs fix."""
    settings = parse_settings(args.set)
    if args.epochs is not None:
        given = settings.setdefault("epochs", args.epochs)
        if given != args.epochs:
            raise UserError(f"--epochs {args.epochs} and --set epochs={given} disagree")
    space = find_space(args.space).at(preset_name)
    TrainConfig.from_mapping({**space.recipe, **settings})  # its rules speak before the space's
    return space.fix(settings)


def _total(asked: int | None, sampler: str, space: ScaledSpace) -> int:
    points = len(grid_rows(space)) if sampler == "grid" else None
    total = int(at_least("n-trials", asked, 1) or points or space.preset.n_trials)
    if points and total > points:
        raise UserError(
            f"--n-trials must be at most {points}, the points of this space's grid, got {total}"
        )
    return total


def _range_steps(asked: bool | None, space: ScaledSpace) -> int:
    if asked is False:
        return 0
    if lr_parameter(space) is None:
        if asked:
            raise UserError("--lr-range-test needs an lr that varies; leave out --set lr=…")
        return 0
    return space.preset.lr_range_steps or (DEFAULT_STEPS if asked else 0)


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back: tuples become lists."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
