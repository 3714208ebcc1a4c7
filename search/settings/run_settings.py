"""What ``search.run`` may be asked for, and what it shares with other commands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from search.autotune.resources import DEVICE_KINDS
from search.common.errors import UserError
from search.common.layout import DEFAULT_RESULTS
from search.common.locations import default_data_dir
from search.settings.job_time import check_timeout, read_timeout
from search.settings.setting import Settings, flag_of, rule_of, setting
from search.settings.values import parse_ranges, parse_settings
from search.strategy.pruners import PRUNERS, Pruner
from search.strategy.samplers import SAMPLERS, Sampler
from spaces.space import Space
from trainers.execution import PRECISIONS

KEEP_WEIGHTS = ("best", "all", "none")  # of trials that have ended
DEFAULT_TOP = 5  # trials of another study to start with
SPACE_FILE_WARNING = "A space given as a .py file is run as code: use only files you trust."
FEWEST_SEEDS = 2  # that judge a re-evaluation: one says nothing of its noise


@dataclass(frozen=True, kw_only=True)
class SpaceSettings(Settings):
    """A space, or one setting of it."""

    epilog = SPACE_FILE_WARNING

    space: str | Space = setting("a named space, or a .py file with a SPACE in it")
    preset: str = setting("auto, quick or full", "auto")
    set: Mapping[str, Any] = setting(
        "fix a hyperparameter or change the baseline; repeatable",
        factory=dict,
        metavar="KEY=VALUE",
        read=parse_settings,
    )
    epochs: int | None = setting("epochs of a trial", None)
    objective: str | None = setting(
        "metric to optimise: val_top1 (default), val_loss, …", None, metavar="NAME"
    )


@dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """Settings that name the images."""

    dataset: str | None = setting(
        "digits, digits32, digits64, cifar10, cifar100, tiny-imagenet-200, torchvision:NAME, "
        "an .npz file, a folder of .npy files or an image folder",
        None,
        metavar="NAME_OR_PATH",
        trainer_only=True,
    )
    image_size: int | None = setting(
        "make the images of a folder N x N pixels", None, metavar="N", least=1, trainer_only=True
    )
    data_dir: str = setting(
        "downloads and prepared data (env SHARPSEARCH_DATA)", factory=default_data_dir
    )


@dataclass(frozen=True, kw_only=True)
class ComputeSettings(Settings):
    """Settings of how one trial is computed."""

    threads: int | None = setting("threads of a trial", None, metavar="N", least=1)
    precision: str = setting(
        "auto, float32, bfloat16 or, on a GPU, tf32; auto is float32, and what a short "
        "calibration finds fastest in a search",
        "auto",
        among=("auto", *PRECISIONS),
        trainer_only=True,
    )
    deterministic: bool | None = setting(
        "bit for bit on a GPU too, as always on the CPU, by slower kernels (default: no)",
        None,
        trainer_only=True,
    )
    graph: bool | None = setting(
        "on a GPU, launch each training step as one CUDA graph where it can be captured; the "
        "figures are the same (default: yes, but not with --deterministic)",
        None,
        trainer_only=True,
    )

    @property
    def asked_precision(self) -> str | None:
        """The precision that was given, None for "auto"."""
        return None if self.precision == "auto" else self.precision


@dataclass(frozen=True, kw_only=True)
class StudySettings(Settings):
    """Settings of where studies are stored."""

    storage: str | None = setting(
        "Optuna storage (env OPTUNA_STORAGE; default: sqlite:///results/studies.db)",
        factory=lambda: os.environ.get("OPTUNA_STORAGE"),
        metavar="URL",
    )
    results_dir: str = setting(
        "where trials' files lie: a folder, or s3://bucket/prefix or another URL that pyarrow "
        "opens, with --storage on a server",
        str(DEFAULT_RESULTS),
        metavar="DIR_OR_URL",
    )


@dataclass(frozen=True, kw_only=True)
class ProcessSettings(Settings):
    """Settings of data-parallel training."""

    processes: int | None = setting(
        "processes of a trial, each trains its share of every batch (default: 1)",
        None,
        metavar="N",
        least=1,
        trainer_only=True,
    )


@dataclass(frozen=True, kw_only=True)
class FeatureMapSettings(Settings):
    """Pictures of what a trained network makes of an image."""

    feature_maps: tuple[str, ...] = setting(
        "draw what these convolutions make of the first test image: conv1,conv2",
        (),
        metavar="NAMES",
    )


@dataclass(frozen=True, kw_only=True)
class TrustSettings(Settings):
    """Settings of commands that read configurations which anyone may have made."""

    trust_code: bool = setting(
        "run the Python file that the recorded setting names as its model or training loop", False
    )


@dataclass(frozen=True, kw_only=True)
class SingleRunSettings(ComputeSettings, DataSettings, SpaceSettings):
    """One setting, trained without a search."""


def _choices(table: Mapping[str, Sampler] | Mapping[str, Pruner]) -> str:
    return "; ".join(f"{name}: {choice.help}" for name, choice in table.items())


@dataclass(frozen=True, kw_only=True)
class RunSettings(StudySettings, ProcessSettings, SingleRunSettings):
    """A search. What is None follows from the study on record, the preset or the machine."""

    command = "run"
    description = "Search a space of hyperparameters. Rerun the command to resume its study."

    range: Mapping[str, tuple[float, float]] = setting(
        "search a part of a hyperparameter's interval; repeatable",
        factory=dict,
        metavar="KEY=LOW:HIGH",
        read=parse_ranges,
    )
    study_name: str | None = setting("default: the space's name, with -quick for that preset", None)
    n_trials: int | None = setting("total number of trials, including earlier runs", None, least=1)
    epoch_budget: int | None = setting(
        "total number of epochs, including earlier runs", None, metavar="N"
    )
    timeout: str | float | None = setting(
        "stop after so many seconds, or, with job, before the Slurm job ends; live trials stay "
        "resumable (default: job within a Slurm job)",
        None,
        metavar="SECONDS",
        read=read_timeout,
    )
    sampler: str | None = setting(
        f"default: tpe, or the preset's; {_choices(SAMPLERS)}", None, metavar="NAME", among=SAMPLERS
    )
    pruner: str | None = setting(
        f"default: promotion, or the preset's; {_choices(PRUNERS)}",
        None,
        metavar="NAME",
        among=PRUNERS,
    )
    enqueue_from: str | None = setting(
        "start with another study's best, after the baseline", None, metavar="STUDY"
    )
    top: int | None = setting(
        f"how many of them (default: {DEFAULT_TOP})", None, metavar="K", least=1
    )
    seed: int | None = setting(
        "of the sampler (default: 0); the trainer's: --set seed=N", None, least=0
    )
    concurrency: int | None = setting(
        "trials at once (default: as many as this machine, or the cluster, has room for)",
        None,
        metavar="N",
        least=1,
    )
    max_retries: int = setting(
        "of a trial whose worker died or hung, from its checkpoint", 2, metavar="N", least=0
    )
    retry_failed: bool = setting(
        "let trials that failed be tried again, as new trials of the same parameters", False
    )
    keep_weights: str | None = setting(
        "of trials that have ended, the best weights of: best (default), the best three and "
        "the baseline; all; none",
        None,
        metavar="WHICH",
        among=KEEP_WEIGHTS,
    )
    confirm: int | None = setting(
        "settings to re-evaluate (default: the preset's)", None, metavar="K", least=0, off=0
    )
    confirm_seeds: int | None = setting(
        "evaluation seeds for the winner and the baseline (default: the preset's)",
        None,
        metavar="R",
        least=FEWEST_SEEDS,
    )
    ray_address: str | None = setting(
        "train on this Ray cluster, or auto (env RAY_ADDRESS; default: a private Ray)",
        factory=lambda: os.environ.get("RAY_ADDRESS"),
        metavar="HOST:PORT",
    )
    device_kinds: str | None = setting(
        "of a cluster's devices: same (default), those like the study's first; any, recorded "
        "with each trial, whose curves then differ in their last digits",
        None,
        metavar="WHICH",
        among=DEVICE_KINDS,
    )
    gpus_per_trial: float | None = setting(
        "may be a fraction (default: one, or as a calibration finds for large data)",
        None,
        metavar="F",
        least=0,
    )
    lr_range_test: bool | None = setting(
        "first narrow the learning rate by a range test (default: as the preset says)",
        None,
        trainer_only=True,
    )
    resume_check: bool | None = setting(
        "train two epochs of a training function of your own to see that its resume is exact "
        "(default: yes)",
        None,
    )
    quiet: bool = setting("show warnings and the result alone", False, short="-q")
    verbose: bool = setting("show every event, epochs in detail", False, short="-v")
    dry_run: bool = setting("show what would be run; write nothing", False, in_python=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_timeout(self.timeout)
        if self.quiet and self.verbose:
            raise UserError("--quiet and --verbose contradict each other; leave one of them out")
        if self.top is not None and self.enqueue_from is None:
            raise UserError("--top says how many of --enqueue-from; name a study with it")
        if self.device_kinds is not None and not self.cluster:
            raise UserError(
                f"--device-kinds {self.device_kinds} is about the nodes of a cluster; "
                "name one with --ray-address"
            )
        if self.cluster and self.cluster.startswith("ray://"):
            raise UserError(
                f"--ray-address must be host:port or auto, got {self.cluster}, a Ray client's; run "
                "the search on a node of the cluster, or submit it with `ray job submit`"
            )

    @property
    def cluster(self) -> str | None:
        """The Ray cluster's address; None for a private Ray, which Ray itself calls ``local``."""
        return None if self.ray_address in (None, "", "local") else self.ray_address

    @property
    def verbosity(self) -> str:
        """The verbosity, by ``search.terminal.display.Display``'s names."""
        return "quiet" if self.quiet else "verbose" if self.verbose else "normal"

    def refuse_for_loops(self) -> None:
        """Raises ``UserError`` for what says how this package's own trainer works."""
        for item in fields(self):
            value = getattr(self, item.name)
            if rule_of(item).trainer_only and value not in (None, False, 1, "auto"):
                raise UserError(
                    f"{flag_of(item.name)} is not for a space with a training function of its own, "
                    f"got {value}; leave it out"
                )
