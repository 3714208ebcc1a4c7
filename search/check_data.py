"""Whether a job's settings fit its data set, before any worker starts. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from search.errors import UserError
from search.job import Job
from trainers.data.cache import load_prepared
from trainers.data.meta import Meta
from trainers.data.prepare import prepare
from trainers.data.split import split_indices


def prepare_data(dataset: str, data_dir: Path, console: Console) -> Path:
    """The folder of a data set, decoded if it has not been yet, with a bar while that lasts."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"preparing {dataset}", total=None, visible=False)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, visible=True)

        return prepare(dataset, data_dir, show)


def check_data(job: Job, folder: Path) -> Meta:
    """The prepared data set fits the job's batch sizes. Raises ``UserError``."""
    meta, arrays = load_prepared(folder)
    train, _ = split_indices(arrays["train_labels"], job.config.val_fraction, job.config.split_seed)
    check_batch_sizes(job, len(train))
    return meta


def check_batch_sizes(job: Job, images: int) -> None:
    """No batch of the space may be larger than the training split."""
    for parameter in job.space.parameters:
        largest = max(map(int, parameter.grid())) if parameter.name == "batch_size" else 0
        if largest > images:
            raise UserError(
                f"batch_size may be up to {largest} in this space, but the training split has "
                f"{images} images; fix it with --set batch_size=N, N at most {images}"
            )
    if job.config.batch_size > images:
        raise UserError(
            f"batch_size must be at most {images}, the images of the training split, "
            f"got {job.config.batch_size}"
        )
