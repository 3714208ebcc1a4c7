"""Whether what is asked for fits its data set, before any worker starts. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import Progress

from search.common.errors import UserError
from search.settings.request import Request
from spaces.params import Categorical, Parameter
from trainers.compatibility import check_fits
from trainers.config import TrainConfig, trainer_config
from trainers.data.prepare import find_prepared, prepare
from trainers.data.prepared import FORMAT, Meta, load_prepared, verify_prepared
from trainers.data.split import split_indices
from trainers.models.external import check_outside, is_outside
from trainers.validators import ConfigError

MOST_VALUES = 100  # of one parameter; a step of more than this is not looked into
SMALL = ("digits", "digits32", "digits64")  # scikit-learn's, prepared in a moment
NO_DATA = Meta(FORMAT, "", (), {}, (), (), "")
Shape = tuple[int, int, int, int, int]  # training images, side, channels, classes, processes


def prepare_data(
    dataset: str, data_dir: Path, console: Console, image_size: int | None = None
) -> Path:
    """Return the folder of a data set, decoded if it has not been yet, with a bar while that lasts;
    none where no data set is named."""
    if not dataset:
        return Path()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"preparing {dataset}", total=None, visible=False)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, visible=True)

        remark = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        return prepare(dataset, data_dir, show, remark, image_size)


def data_if_prepared(request: Request, console: Console) -> tuple[Path, Meta | None]:
    """Return the prepared data set and what is known of it, checked; None where it is not prepared
    yet, which takes time and room. Nothing stays written. Raises ``UserError``."""
    if request.own_loop:
        return Path(), NO_DATA
    size = request.settings.image_size
    if request.dataset in SMALL:
        with TemporaryDirectory(prefix="sharpsearch-dry-run-") as folder:
            made = prepare_data(request.dataset, Path(folder), console, size)
            return made, check_data(request, made)
    found = find_prepared(request.dataset, request.data_dir, size)
    return found or Path(), None if found is None else check_data(request, found)


def check_data(request: Request, folder: Path) -> Meta:
    """Return the data set's facts, after a check that it fits the baseline and each value that may
    vary when the others are the baseline's. Nothing is known of data that a function of the user's
    own reads. Raises ``UserError``."""
    if request.own_loop:
        return NO_DATA
    verify_prepared(folder)  # damaged since it was prepared? about 1 s for each GB
    meta, arrays = load_prepared(folder)
    baseline, labels = trainer_config(request.config), arrays["train_labels"]
    split = (baseline.val_fraction, baseline.split_seed)
    train, _ = split_indices(labels, *split, meta.classes)
    _, image_size, _, channels = meta.shapes["train_images"]
    shape = (len(train), image_size, channels, len(meta.classes), request.settings.processes or 1)
    check_fits(baseline, *shape)
    _check_network(baseline, shape)
    for parameter in request.space.parameters:
        for value in representative(parameter):
            config = valid_config({**request.space.baseline, parameter.name: value})
            if config is not None:
                _check_value(parameter, value, config, shape)
    return meta


def representative(parameter: Parameter) -> Sequence[Any]:
    """Return the ends of a parameter's interval and some values between, each of them where they
    are few."""
    values = parameter.grid()
    last, points = len(values) - 1, min(len(values), MOST_VALUES)
    return [values[i * last // max(1, points - 1)] for i in range(points)]


def valid_config(values: dict[str, Any]) -> TrainConfig | None:
    """Return the configuration, None where a rule is broken: whether that can happen depends on the
    space's constraints."""
    try:
        return TrainConfig.from_mapping(values)
    except ConfigError:
        return None


def _check_value(parameter: Parameter, value: Any, config: TrainConfig, shape: Shape) -> None:
    name = parameter.name
    try:
        check_fits(config, *shape)
        if name == "model":
            _check_network(config, shape)
    except ConfigError as error:
        narrow = (
            ""
            if isinstance(parameter, Categorical)
            else f"narrow it with --range {name}=LOW:HIGH, or "
        )
        raise UserError(
            f"{name} may be {value} in this space, but {error}; {narrow}fix it with "
            f"--set {name}=VALUE"
        ) from None


def _check_network(config: TrainConfig, shape: Shape) -> None:
    """Check a model that is not of this package by what only an attempt shows."""
    if is_outside(config.model):
        _, side, channels, classes, _ = shape
        check_outside(config.model, config.model_options, classes, channels, side)
