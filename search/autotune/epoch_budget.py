"""A preset's minutes as a budget of epochs, by what an epoch costs on this machine.

The budget is recorded with the study: from then on nothing hangs on a clock.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from search.autotune.child_processes import run_module
from search.record.record import ConfirmationFacts, StrategyFacts
from search.settings.check_data import valid_config
from search.settings.confirming import confirmation_trainings
from search.settings.request import Request
from search.strategy.pruners import PROMOTION
from search.strategy.sobol import sobol_points
from trainers.atomic_files import write_atomically
from trainers.config import TrainConfig
from trainers.configs import trainer_config
from trainers.execution import Execution

CONFIRMATION_SHARE = 0.45  # of a preset's time, at most: a search of less finds little to confirm
SECONDS_AROUND = 45.0  # starting up, timing, the confirmation's start, and the last pages
SECONDS_BETWEEN = 0.1  # two epochs of a trial: what is written, reported and decided
POINTS = 8  # of the space, beside the recipe
FEWEST_TRAININGS = 4
PRESET_SEEDS = 3  # that judge at least: the interval over 2 is more than three times as wide
SECONDS_KEPT = 3600.0  # a machine may be busy, or not, for so long


def is_sized_by_time(request: Request, strategy: StrategyFacts) -> bool:
    """Whether a new study gets its preset's time: where nothing else limits it."""
    limited = request.settings.n_trials is not None or strategy.epoch_budget is not None
    pauses = strategy.pruner == PROMOTION and strategy.sampler != "grid"
    return request.space.preset.minutes > 0 and pauses and not limited and not request.own_loop


def budget_of(minutes: float, at_once: int, seconds_an_epoch: float, full: int) -> int:
    """Epochs that ``at_once`` workers train in ``minutes``; at least enough to choose among."""
    seconds = 60 * minutes - SECONDS_AROUND
    return max(FEWEST_TRAININGS * full, int(seconds * at_once / seconds_an_epoch))


def split(
    epochs: int, full: int, facts: ConfirmationFacts | None, fixed: bool
) -> tuple[int, ConfirmationFacts | None]:
    """What the search gets of so many ``epochs``, and a confirmation that fits into its share:
    first with one setting, then with fewer seeds, unless it is ``fixed``. Neither has so little
    that it says nothing."""
    if facts is None:
        return epochs, None
    if not fixed:
        seeds = range(len(facts.judging), PRESET_SEEDS - 1, -1)
        smaller = [facts, *(facts.part(1, count) for count in seeds)]
        room = CONFIRMATION_SHARE * epochs / full
        facts = next((f for f in smaller if confirmation_trainings(f) <= room), smaller[-1])
    left = epochs - confirmation_trainings(facts) * full
    return max(FEWEST_TRAININGS * full, left), facts


def measured_budget(
    request: Request,
    execution: Execution,
    at_once: int,
    data_folder: Path,
    announce: Callable[[str], None],
) -> int:
    """The budget of epochs that the preset's minutes come to, ``at_once`` trials side by side,
    confirmation included."""
    configs = _configs(request)
    task = {
        "configs": [config.to_dict() for config in configs],
        "data": str(data_folder.resolve()),
        "execution": replace(execution, processes=1).to_dict(),
    }
    digest = hashlib.sha256(json.dumps([task, at_once], sort_keys=True).encode()).hexdigest()[:16]
    kept = request.data_dir / "cache" / "epoch_seconds" / f"{digest}.json"
    seconds = _read(kept)
    if seconds is None:
        announce("timing an epoch on this machine: some seconds")
        seconds = _measure(json.dumps(task), at_once) + SECONDS_BETWEEN
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps(seconds).encode())
    full, minutes = request.config.epochs, request.space.preset.minutes
    return budget_of(minutes, at_once, seconds, full)


def _configs(request: Request) -> Sequence[TrainConfig]:
    """The recipe, and what is spread over the space."""
    space = request.space
    found = [trainer_config(request.config)]
    if space.parameters:
        for point in itertools.islice(sobol_points(space, 0), 2 * POINTS):
            values = space.active(point)
            config = valid_config(space.setting(values))
            if config and space.broken_constraint(values) is None and len(found) <= POINTS:
                found.append(config)
    return found


def _measure(task: str, at_once: int) -> float:
    """The mean over as many processes as there will be trials at once. The recipe counts as much
    as the space: half of the first draws are near it, and it is trained to its end."""
    printed = run_module(
        ["trainers.epoch_seconds", task], at_once, "timing", "choose with --n-trials"
    )
    return fmean(_half_recipe(*json.loads(text)) for text in printed)


def _half_recipe(recipe: float, *space: float) -> float:
    return (recipe + fmean(space)) / 2 if space else recipe


def _read(path: Path) -> float | None:
    """What was measured lately."""
    try:
        if time.time() - path.stat().st_mtime > SECONDS_KEPT:
            return None
        return float(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
