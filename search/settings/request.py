"""What a command line asks of a search: checked, and None where it is left open."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from search.autotune import machine
from search.autotune.lr_interval import lr_parameter
from search.autotune.resources import DEVICE_KINDS, SAME, Resources, choose_resources
from search.common.errors import UserError
from search.common.layout import StudyFolder, default_storage, origin_of, preset_suffix
from search.common.results_url import results_folder
from search.settings.flag_values import at_least, known, parse_ranges, writable
from search.settings.flags import DEFAULT_TOP, KEEP_WEIGHTS
from search.settings.load_space import asked_space, narrowed_space
from search.strategy.confirmation import FEWEST_SEEDS
from search.strategy.grid import grid_rows
from search.strategy.pruners import PRUNERS
from search.strategy.samplers import SAMPLERS
from spaces.space import ResolvedSpace
from trainers.configs import Config, config_from_mapping
from trainers.custom.loop_config import LoopConfig
from trainers.execution import PRECISIONS, Execution


@dataclass(frozen=True)
class Request:
    """What the user asked for, checked as far as it can be without data or study."""

    space: ResolvedSpace
    preset_reason: str
    config: Config
    dataset: str
    data_dir: Path
    image_size: int | None = field(default=None, kw_only=True)
    study_name: str
    storage: str
    results_dir: Path
    timeout: float | None
    max_retries: int
    retry_failed: bool
    n_trials: int | None
    epoch_budget: int | None
    sampler: str | None
    pruner: str | None
    seed: int | None
    concurrency: int | None
    threads: int | None
    gpus_per_trial: float | None
    processes: int | None
    precision: str | None
    deterministic: bool | None = field(default=None, kw_only=True)
    graph: bool | None = field(default=None, kw_only=True)
    lr_range_test: bool | None
    confirm: int | None = None
    confirm_seeds: int | None = None
    keep_weights: str | None = None
    enqueue_from: str | None = None
    top: int = DEFAULT_TOP
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    command: str = ""
    ray_address: str | None = None
    device_kinds: str = SAME

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.results_dir, self.study_name)

    @property
    def own_loop(self) -> LoopConfig | None:
        """The baseline of a space whose settings are trained by a function of the user's own."""
        return self.config if isinstance(self.config, LoopConfig) else None

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of metrics, one for each value of a trial."""
        return (self.config.objective,)

    def resources(self, began: Execution | None = None) -> Resources:
        """What this machine gives to the search, or nodes like it; ``began`` is how its study
        began to compute. Raises ``UserError``.
        """
        at_least("concurrency", self.concurrency, 1)
        found = choose_resources(
            None if self.ray_address else self.concurrency,
            began.threads if began else self.threads,
            0.0 if began and began.device == "cpu" else self.gpus_per_trial,
            machine.gpu_count(),
            began.processes if began else self.processes or 1,
        )
        return replace(
            found,
            concurrency=self.concurrency or found.concurrency,
            max_retries=self.max_retries,
            ray_address=self.ray_address,
            most=self.concurrency,
            device_kinds=self.device_kinds,
        )


def make_request(args: argparse.Namespace, command: str = "") -> Request:
    """What ``args`` ask for. Raises ``UserError`` or ``ConfigError``."""
    ranges = parse_ranges(args.range)
    space, reason = asked_space(args)
    space = narrowed_space(space, ranges)
    preset = space.preset
    results_dir = results_folder(args.results_dir, write=not args.dry_run)
    data_dir = Path(args.data_dir).expanduser()
    address = cluster_address(args.ray_address)
    if address:  # workers of other nodes have another working directory
        results_dir, data_dir = results_dir.absolute(), data_dir.absolute()
    writable(results_dir)
    storage = args.storage or default_storage(results_dir)
    if origin_of(results_dir):
        from search.storage.database_locks import refuse_without_locks

        refuse_without_locks(storage)
    if args.lr_range_test and lr_parameter(space) is None:
        raise UserError("--lr-range-test needs an lr that varies; leave out --set lr=…")
    request = Request(
        space=space,
        preset_reason=reason,
        config=config_from_mapping(dict(space.baseline)),
        dataset=args.dataset or preset.dataset,
        data_dir=data_dir,
        image_size=size_of_images(args),
        study_name=args.study_name or f"{space.definition.name}{preset_suffix(space.preset_name)}",
        storage=storage,
        results_dir=results_dir,
        timeout=at_least("timeout", args.timeout, 0),
        max_retries=int(at_least("max-retries", args.max_retries, 0) or 0),
        retry_failed=args.retry_failed,
        n_trials=args.n_trials,
        epoch_budget=args.epoch_budget,
        sampler=args.sampler and known("sampler", args.sampler, SAMPLERS),
        pruner=args.pruner and known("pruner", args.pruner, PRUNERS),
        seed=args.seed if at_least("seed", args.seed, 0) is not None else None,
        concurrency=args.concurrency,
        threads=args.threads,
        gpus_per_trial=args.gpus_per_trial,
        processes=args.processes,
        precision=chosen_precision(args.precision),
        deterministic=args.deterministic,
        graph=args.graph,
        lr_range_test=args.lr_range_test,
        confirm=at_least("confirm", args.confirm, 0),
        confirm_seeds=at_least("confirm-seeds", args.confirm_seeds, FEWEST_SEEDS),
        keep_weights=args.keep_weights and known("keep-weights", args.keep_weights, KEEP_WEIGHTS),
        ranges=ranges,
        enqueue_from=args.enqueue_from,
        top=int(at_least("top", args.top, 1) or DEFAULT_TOP),
        command=command,
        ray_address=address,
        device_kinds=chosen_kinds(args.device_kinds, address),
    )
    if args.top is not None and args.enqueue_from is None:
        raise UserError("--top says how many of --enqueue-from; name a study with it")
    total(args.n_trials, args.sampler or preset.sampler, space)
    if request.own_loop:
        refuse_for_loops(args)
    if args.epoch_budget is not None:
        check_epoch_budget(args.epoch_budget, request.config.epochs)
    request.resources()
    return request


def cluster_address(asked: str | None) -> str | None:
    """None for a private Ray, which Ray itself calls ``local``."""
    if asked and asked.startswith("ray://"):
        raise UserError(
            f"--ray-address must be host:port or auto, got {asked}, a Ray client's; run the search "
            "on a node of the cluster, or submit it with `ray job submit`"
        )
    return None if asked in (None, "", "local") else asked


def chosen_kinds(asked: str | None, address: str | None) -> str:
    """Whose devices may train."""
    if asked and not address:
        raise UserError(
            f"--device-kinds {asked} is about the nodes of a cluster; name one with --ray-address"
        )
    return known("device-kinds", asked or SAME, DEVICE_KINDS)


def chosen_precision(text: str) -> str | None:
    """None for "auto"."""
    return None if known("precision", text, ("auto", *PRECISIONS)) == "auto" else text


def refuse_for_loops(args: argparse.Namespace) -> None:
    """Raises ``UserError`` for flags that say how this package's own trainer works."""
    asked = {
        "--dataset": args.dataset,
        "--image-size": args.image_size,
        "--precision": None if args.precision == "auto" else args.precision,
        "--deterministic": args.deterministic or None,
        "--graph": args.graph or None,
        "--processes": None if args.processes in (None, 1) else args.processes,
        "--lr-range-test": args.lr_range_test or None,
    }
    for flag, value in asked.items():
        if value is not None:
            raise UserError(
                f"{flag} is not for a space with a training function of its own, got {value}; "
                "leave it out"
            )


def size_of_images(args: argparse.Namespace) -> int | None:
    """--image-size, checked."""
    size: int | None = args.image_size
    at_least("image-size", size, 1)
    return size


def total(
    asked: int | None, sampler: str, space: ResolvedSpace, recorded: int | None = None
) -> int:
    """How many trials the study shall have, ``recorded`` of which it was to have until now.

    Raises ``UserError`` where more are asked for than a grid has points.
    """
    points = len(grid_rows(space)) if sampler == "grid" else None
    if asked is None and recorded:
        return min(recorded, points or recorded)
    found = int(at_least("n-trials", asked, 1) or points or space.preset.n_trials)
    if points and found > points:
        raise UserError(
            f"--n-trials must be at most {points}, the points of this space's grid, got {found}"
        )
    return found


def check_epoch_budget(asked: int, full: int) -> None:
    """Raises ``UserError`` where it is less than the baseline's own training takes."""
    if asked < full:
        raise UserError(
            f"--epoch-budget must be at least {full}, the epochs of the baseline's own trial, "
            f"got {asked}; give more, or fewer --epochs"
        )
