"""What a command's settings come to: the space at its preset, data, folder and database."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from search.autotune.choose_execution import default_choice
from search.autotune.lr_range import lr_parameter
from search.autotune.resources import SAME, ComputeOptions, Resources, choose_resources
from search.common.errors import UserError
from search.common.layout import StudyFolder, origin_of, preset_suffix
from search.common.locations import default_storage, results_folder
from search.settings.job_time import seconds_until_timeout
from search.settings.load_space import load_space, refuse_own_loop
from search.settings.run_settings import RunSettings, SingleRunSettings
from search.strategy.grid import grid_rows
from spaces.params import SpaceError
from spaces.space import ResolvedSpace
from trainers.config import Config, TrainConfig, config_from_mapping
from trainers.custom.loop_config import LoopConfig
from trainers.execution import Execution


@dataclass(frozen=True)
class Request:
    """A search as far as it follows from its settings alone, without data or study."""

    settings: RunSettings
    space: ResolvedSpace
    preset_reason: str
    config: Config
    dataset: str
    data_dir: Path
    folder: StudyFolder
    storage: str
    timeout: float | None = None  # seconds from the start of the command

    @property
    def study_name(self) -> str:
        return self.folder.study_name

    @property
    def own_loop(self) -> LoopConfig | None:
        """The baseline of a space whose settings are trained by a function of the user's own."""
        return self.config if isinstance(self.config, LoopConfig) else None

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names of metrics, one for each value of a trial."""
        return (self.config.objective,)

    @property
    def compute(self) -> ComputeOptions:
        """The options for the machine."""
        asked = self.settings
        return ComputeOptions(
            concurrency=asked.concurrency,
            threads=asked.threads,
            processes=asked.processes,
            gpus_per_trial=asked.gpus_per_trial,
            precision=asked.asked_precision,
            deterministic=asked.deterministic,
            graph=asked.graph,
            ray_address=asked.cluster,
            device_kinds=asked.device_kinds or SAME,
            max_retries=asked.max_retries,
        )

    def resources(self, began: Execution | None = None) -> Resources:
        """Return what this machine gives to the search, or nodes like it; ``began`` is how its
        study began to compute. Raises ``UserError``."""
        return choose_resources(self.compute, began)


def make_request(settings: RunSettings) -> Request:
    """Return what ``settings`` come to. Raises ``UserError`` or ``ConfigError``."""
    space, reason = load_space(settings)
    try:
        space = space.narrow(settings.range)
    except SpaceError as error:
        raise UserError(f"--range: {error}") from None
    results_dir = results_folder(settings.results_dir, write=not settings.dry_run)
    data_dir = Path(settings.data_dir).expanduser()
    if settings.cluster:  # workers of other nodes have another working directory
        results_dir, data_dir = results_dir.absolute(), data_dir.absolute()
    _refuse_unwritable(results_dir)
    storage = settings.storage or default_storage(results_dir)
    if origin_of(results_dir):
        from search.storage.database_locks import refuse_without_locks

        refuse_without_locks(storage)
    if settings.lr_range_test and lr_parameter(space) is None:
        raise UserError("--lr-range-test needs an lr that varies; leave out --set lr=…")
    name = f"{space.definition.name}{preset_suffix(space.preset_name)}"
    request = Request(
        settings=settings,
        space=space,
        preset_reason=reason,
        config=config_from_mapping(dict(space.baseline)),
        dataset=settings.dataset or space.preset.dataset,
        data_dir=data_dir,
        folder=StudyFolder(results_dir, settings.study_name or name),
        storage=storage,
        timeout=seconds_until_timeout(settings.timeout),
    )
    total_trials(settings.n_trials, settings.sampler or space.preset.sampler, space)
    if request.own_loop:
        settings.refuse_for_loops()
    full = request.config.epochs
    if settings.epoch_budget is not None and settings.epoch_budget < full:
        raise UserError(
            f"--epoch-budget must be at least {full}, the epochs of the baseline's own trial, "
            f"got {settings.epoch_budget}; give more, or fewer --epochs"
        )
    request.resources()
    return request


def _refuse_unwritable(folder: Path) -> None:
    """Raises ``UserError`` unless ``folder`` can be written to, or made; nothing is."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(
            f"--results-dir must be a folder that can be written to, got {str(folder)!r}"
        )


def total_trials(
    asked: int | None, sampler: str, space: ResolvedSpace, recorded: int | None = None
) -> int:
    """Return how many trials the study shall have, ``recorded`` of which it was to have until now.

    Raises ``UserError`` where more are asked for than a grid has points.
    """
    points = len(grid_rows(space)) if sampler == "grid" else None
    if asked is None and recorded:
        return min(recorded, points or recorded)
    found = asked or points or space.preset.n_trials
    if points and found > points:
        raise UserError(
            f"--n-trials must be at most {points}, the points of this space's grid, got {found}"
        )
    return found


@dataclass(frozen=True)
class SingleRun:
    """One setting of a space: what is trained, on which data and how it is computed."""

    space: ResolvedSpace
    preset_reason: str
    config: TrainConfig
    execution: Execution
    dataset: str
    data_dir: Path
    image_size: int | None = None


def make_single_run(settings: SingleRunSettings, processes: int | None = None) -> SingleRun:
    """Return the baseline with what is set. One run has the whole machine.

    Raises ``UserError`` or ``ConfigError``.
    """
    space, reason = load_space(settings)
    refuse_own_loop(space)
    options = ComputeOptions(
        concurrency=1,
        threads=settings.threads,
        processes=processes,
        precision=settings.asked_precision,
        deterministic=settings.deterministic,
        graph=settings.graph,
    )
    return SingleRun(
        space=space,
        preset_reason=reason,
        config=TrainConfig.from_mapping(dict(space.baseline)),
        execution=default_choice(options).execution,
        dataset=settings.dataset or space.preset.dataset,
        data_dir=Path(settings.data_dir).expanduser(),
        image_size=settings.image_size,
    )
