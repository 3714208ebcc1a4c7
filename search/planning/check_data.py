"""Whether a job's settings fit its data set, before any worker starts. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from search.common.errors import UserError
from search.planning.job import Job
from trainers.compatibility import check_fits
from trainers.config import TrainConfig
from trainers.data.prepare import prepare
from trainers.data.prepared import Meta, load_prepared, verify_prepared
from trainers.data.split import split_indices
from trainers.rules import ConfigError

Shape = tuple[int, int, int, int, int]  # training images, side, channels, classes, processes


def prepare_data(dataset: str, data_dir: Path, console: Console) -> Path:
    """The folder of a data set, decoded if it has not been yet, with a bar while that lasts."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"preparing {dataset}", total=None, visible=False)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, visible=True)

        def remark(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        return prepare(dataset, data_dir, show, remark)


def check_data(job: Job, folder: Path) -> Meta:
    """The prepared data set fits the recipe, and each value that may vary when the others are
    the recipe's. Raises ``UserError``."""
    verify_prepared(folder)  # damaged since it was prepared? about 1 s for each GB
    meta, arrays = load_prepared(folder)
    train, _ = split_indices(arrays["train_labels"], job.config.val_fraction, job.config.split_seed)
    _, image_size, _, channels = meta.shapes["train_images"]
    processes = job.execution.processes
    shape = (len(train), image_size, channels, len(meta.classes), processes)
    check_fits(job.config, *shape)
    for parameter in job.space.parameters:
        for value in parameter.grid():
            config = valid_config({**job.space.recipe, parameter.name: value})
            if config is not None:
                _check_value(parameter.name, value, config, shape)
    return meta


def valid_config(values: dict[str, Any]) -> TrainConfig | None:
    """None where a rule is broken: whether that can happen depends on the space's constraints."""
    try:
        return TrainConfig.from_mapping(values)
    except ConfigError:
        return None


def _check_value(name: str, value: Any, config: TrainConfig, shape: Shape) -> None:
    try:
        check_fits(config, *shape)
    except ConfigError as error:
        raise UserError(
            f"{name} may be {value} in this space, but {error}; fix it with --set {name}=VALUE"
        ) from None
