"""Whether the disk has room for what a search writes: checkpoints, and the weights it keeps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from search.common.layout import origin_of
from search.settings.plan import BEST_KEPT, MOST_FOR_PAUSED, SearchPlan
from search.strategy.pruners import PROMOTION
from spaces.params import Categorical
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.data.prepared import Meta
from trainers.models import MODELS
from trainers.validators import ConfigError

ENOUGH = 20e9  # bytes for a trial at work; more than the largest networks here take
BYTES = 4  # of a parameter
# The last two checkpoints and the one being written hold the weights and up to two values of the
# optimiser for each, the best weights are kept and being written.
COPIES_OF_A_LIVE_TRIAL = 3 * 3 + 2
COPIES_OF_A_PAUSED_TRIAL = 2 * 3 + 1


def lack_of_room(plan: SearchPlan, data: Meta) -> str:
    """Return a line where the disk may not do for the space's largest network, else empty."""
    if not data.shapes:  # nobody knows what a training function of the user's own keeps
        return ""
    if origin_of(plan.folder.results_dir):  # nor how much room there is
        return ""
    folder = plan.folder.path.absolute()
    free = shutil.disk_usage(_nearest(folder)).free
    pauses = plan.record.strategy.pruner == PROMOTION
    most_for_paused = MOST_FOR_PAUSED if pauses else 0
    if free >= ENOUGH * plan.resources.concurrency + most_for_paused and plan.keep_weights != "all":
        return ""
    weights = BYTES * largest_network(plan.space, data)
    kept = {"all": plan.n_trials, "best": BEST_KEPT + 1, "none": 0}[plan.keep_weights]
    there = sum(file.stat().st_size for file in plan.folder.weights())
    needed = weights * (COPIES_OF_A_LIVE_TRIAL * plan.resources.concurrency + kept) - there
    needed += min(most_for_paused, weights * COPIES_OF_A_PAUSED_TRIAL * plan.n_trials)
    if needed <= free:
        return ""
    return (
        f"warning: the search may need {needed / 1e9:.1f} GB in {str(folder)!r}, where "
        f"{free / 1e9:.1f} GB are free; make room, or choose another --results-dir, fewer trials "
        "at once (--concurrency) or --keep-weights none"
    )


def largest_network(space: ResolvedSpace, data: Meta) -> int:
    """Return the most parameters that a network of ``space`` has, where each hyperparameter of it
    is at an end of its interval."""
    import torch

    from trainers.models import build_model

    _, side, _, channels = data.shapes["train_images"]
    sizes = [0]
    for options in _architectures(space):
        with torch.device("meta"):
            model = build_model(options, len(data.classes), channels, side)
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
    return max(sizes)


def _architectures(space: ResolvedSpace) -> Iterator[dict[str, Any]]:
    names = {"model", *(name for entry in MODELS.values() for name in entry.options)}
    shaping = [parameter for parameter in space.parameters if parameter.name in names]
    ends = [p.grid() if isinstance(p, Categorical) else (p.low, p.high) for p in shaping]
    for values in product(*ends):
        chosen = {parameter.name: value for parameter, value in zip(shaping, values, strict=True)}
        try:
            yield TrainConfig.from_mapping({**space.baseline, **chosen}).to_dict()
        except ConfigError:  # a combination that the space's constraints may well forbid
            continue


def _nearest(folder: Path) -> Path:
    """Return the nearest folder above that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())
