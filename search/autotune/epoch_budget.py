"""A preset's minutes as a budget of epochs, by what an epoch costs on this machine.

The budget is recorded with the study: from then on nothing hangs on a clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from statistics import fmean

from search.autotune.choose_execution import ExecutionChoice
from search.autotune.timing import Speed, Workload, remembered, time_trainings
from search.common.errors import UserError
from search.record.record import ReevaluationFacts
from search.strategy.reevaluation import most_trainings
from search.strategy.sobol import sobol_points
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.validators import ConfigError

REEVALUATION_SHARE = 0.45  # of a preset's time, at most: a search of less finds little to confirm
SECONDS_AROUND = 45.0  # starting up, timing, the re-evaluation's start, and the last pages
SECONDS_BETWEEN = 0.1  # two epochs of a trial: what is written, reported and decided
POINTS = 8  # of the space, beside the baseline
FEWEST_TRAININGS = 4
PRESET_SEEDS = 3  # that judge at least: the interval over 2 is more than three times as wide
SECONDS_KEPT = 3600.0  # a machine may be busy, or not, for so long
SECONDS_EACH = 0.1
FORWARD_SHARE = 1 / 3  # of a training step's time, for an image that is only looked at


def budget_of(minutes: float, at_once: int, seconds_an_epoch: float, full: int) -> int:
    """Return how many epochs ``at_once`` workers train in ``minutes``; at least enough to choose
    among."""
    seconds = 60 * minutes - SECONDS_AROUND
    return max(FEWEST_TRAININGS * full, int(seconds * at_once / seconds_an_epoch))


def split(
    epochs: int, full: int, facts: ReevaluationFacts | None, fixed: bool
) -> tuple[int, ReevaluationFacts | None]:
    """Return what the search gets of so many ``epochs``, and a re-evaluation that fits into its
    share: first with one setting, then with fewer seeds, unless it is ``fixed``. Neither has so
    little that it says nothing."""
    if facts is None:
        return epochs, None
    if not fixed:
        seeds = range(len(facts.judging), PRESET_SEEDS - 1, -1)
        smaller = [facts, *(facts.part(1, count) for count in seeds)]
        most = REEVALUATION_SHARE * epochs / full
        facts = next((f for f in smaller if _trainings(f) <= most), smaller[-1])
    left = epochs - _trainings(facts) * full
    return max(FEWEST_TRAININGS * full, left), facts


def _trainings(facts: ReevaluationFacts) -> int:
    return most_trainings(facts.settings, len(facts.judging))


def measured_budget(
    space: ResolvedSpace,
    workload: Workload,
    choice: ExecutionChoice,
    announce: Callable[[str], None],
) -> int:
    """Return the budget of epochs that the minutes of the space's preset come to, re-evaluation
    included, where trials are computed as ``choice`` has it. Raises ``UserError``."""
    execution, resources = replace(choice.execution, processes=1), choice.resources
    on_gpu = execution.device == "cuda"
    beside = resources.trials_on_a_gpu if on_gpu else resources.concurrency
    configs = [workload.config, *_spread(space)]
    images = workload.data.shapes["train_images"][0]
    folder, instead = workload.data_folder, "choose with --n-trials"

    def measure() -> float:
        announce("timing an epoch on this machine: some seconds")
        speeds = time_trainings(configs, [execution], beside, folder, SECONDS_EACH, instead)
        return _an_epoch(configs, speeds, images) + SECONDS_BETWEEN

    settings = [config.to_dict() for config in configs]
    facts = [str(folder.resolve()), execution.to_dict(), beside, settings]
    seconds = remembered(workload.cache / "epoch_seconds", facts, measure, SECONDS_KEPT)
    minutes, full = space.preset.minutes, workload.config.epochs
    return budget_of(minutes, resources.concurrency, seconds, full)


def _spread(space: ResolvedSpace) -> list[TrainConfig]:
    """Return settings spread all over ``space``."""
    found: list[TrainConfig] = []
    for point in itertools.islice(sobol_points(space, 0), 2 * POINTS if space.parameters else 0):
        values = space.active(point)
        if space.broken_constraint(values) is None and len(found) < POINTS:
            with suppress(ConfigError):
                found.append(TrainConfig.from_mapping(space.setting(values)))
    return found


def _an_epoch(configs: list[TrainConfig], speeds: list[list[Speed]], images: int) -> float:
    """Return the seconds of a mean epoch: the baseline's counts as much as those of the space,
    since half of the first draws are near it and it is trained to its end. Raises ``UserError``."""
    found: list[float] = []
    for config, of_processes in zip(configs, speeds, strict=True):
        known = [speed for speed, _ in of_processes if speed]
        passes = 1 - config.val_fraction * (1 - FORWARD_SHARE)
        if known:
            found.append(images * passes * fmean(1 / speed for speed in known))
        elif not found:
            raise UserError(f"the baseline cannot be trained here: {of_processes[0][1]}")
    baseline, *others = found
    return (baseline + fmean(others)) / 2 if others else baseline
