"""A search, fully decided: what the command line, the space and the machine come to."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.driver import Resources
from search.errors import UserError
from search.find_space import find_space
from search.layout import StudyFolder, default_storage
from search.machine import cpu_count, gpu_count
from search.options import parse_settings
from search.pruners import PRUNERS
from search.samplers import SAMPLERS, grid_points
from spaces.space import PRESETS, ScaledSpace
from trainers.config import TrainConfig
from trainers.execution import Execution
from trainers.rules import suggest


@dataclass(frozen=True)
class Job:
    """Everything ``search.run`` needs, checked as far as it can be without data or database."""

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

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.results_dir, self.study_name)


def resolve(args: argparse.Namespace) -> Job:
    """The job that ``args`` asks for. Raises ``UserError`` or ``ConfigError``."""
    gpus = gpu_count()
    preset_name, reason = choose_preset(args.preset, gpus)
    space = _fixed_space(args, preset_name)
    preset = space.preset
    config = TrainConfig.from_mapping(dict(space.recipe))
    sampler = _known("sampler", args.sampler or preset.sampler, SAMPLERS)
    resources = choose_resources(args.concurrency, args.threads, args.gpus_per_trial, gpus)
    results_dir = Path(args.results_dir)
    suffix = "" if preset_name == "full" else f"-{preset_name}"
    return Job(
        space=space,
        preset_reason=reason,
        config=config,
        execution=_execution(resources),
        dataset=args.dataset or preset.dataset,
        data_dir=Path(args.data_dir).expanduser(),
        study_name=args.study_name or f"{space.space.name}{suffix}",
        storage=args.storage or default_storage(results_dir),
        results_dir=results_dir,
        n_trials=_total(args.n_trials, sampler, space),
        timeout=_at_least("timeout", args.timeout, 0),
        sampler=sampler,
        pruner=_known("pruner", args.pruner or preset.pruner, PRUNERS),
        seed=int(_at_least("seed", args.seed, 0) or 0),
        resources=resources,
    )


def choose_preset(asked: str, gpus: int) -> tuple[str, str]:
    """The preset's name, and the sentence that says why and how to get the other."""
    _known("preset", asked, ("auto", *PRESETS))
    if asked != "auto":
        return asked, f"preset {asked}, as asked"
    if gpus:
        return "full", f"preset full: found {gpus} GPU(s); for the small one: --preset quick"
    return "quick", "preset quick: no GPU found; for the report's own scale: --preset full"


def _fixed_space(args: argparse.Namespace, preset_name: str) -> ScaledSpace:
    settings = parse_settings(args.set)
    if args.epochs is not None:
        given = settings.setdefault("epochs", args.epochs)
        if given != args.epochs:
            raise UserError(f"--epochs {args.epochs} and --set epochs={given} disagree")
    space = find_space(args.space).at(preset_name)
    TrainConfig.from_mapping({**space.recipe, **settings})  # its rules speak before the space's
    return space.fix(settings)


def _total(asked: int | None, sampler: str, space: ScaledSpace) -> int:
    if asked is not None:
        return int(_at_least("n-trials", asked, 1) or 1)
    return len(grid_points(space)) if sampler == "grid" else space.preset.n_trials


def choose_resources(
    concurrency: int | None, threads: int | None, gpus_per_trial: float | None, gpus: int
) -> Resources:
    """Trials at once, threads and GPUs of each, from what was asked and what there is.

    Default on GPUs: one trial each. On the CPU: as many trials as cores, one thread each, since
    small networks gain more from a second trial than from a second thread.
    """
    _at_least("concurrency", concurrency, 1)
    _at_least("threads", threads, 1)
    _at_least("gpus-per-trial", gpus_per_trial, 0)
    cores = cpu_count()
    per_trial = (1.0 if gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    if per_trial > gpus:
        raise UserError(f"--gpus-per-trial must be at most {gpus}, the GPUs found, got {per_trial}")
    if per_trial > 0:
        at_once = concurrency or max(1, int(gpus / per_trial))
        return Resources(at_once, threads or max(1, cores // at_once), per_trial)
    at_once = concurrency or max(1, cores // (threads or 1))
    return Resources(at_once, threads or max(1, cores // at_once))


def _execution(resources: Resources) -> Execution:
    if resources.gpus_per_trial > 0:
        return Execution("cuda", "bfloat16", channels_last=True, threads=resources.threads)
    return Execution("cpu", "float32", channels_last=True, threads=resources.threads)


def _known(what: str, name: str, table: tuple[str, ...]) -> str:
    if name not in table:
        raise UserError(
            f"unknown {what} {name!r}{suggest(name, table)} (known: {', '.join(table)})"
        )
    return name


def _at_least(flag: str, value: float | None, low: float) -> float | None:
    if value is not None and not value >= low:
        raise UserError(f"--{flag} must be at least {low}, got {value}")
    return value


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON gives them back: tuples become lists."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
