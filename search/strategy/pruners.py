"""Pruners by name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

PRUNERS = ("halving", "hyperband", "median", "none")

FIRST_RUNG, FACTOR = 2, 2  # 2.8 times fewer epochs than no pruning, and never missed the best
BRACKET_FACTOR = 3


def make_pruner(name: str, epochs: int) -> BasePruner:
    """The pruner ``name`` of the table ``PRUNERS`` for trials of ``epochs`` epochs."""
    if name == "halving":
        return HalvingPruner(FIRST_RUNG, FACTOR)
    if name == "hyperband":
        return HyperbandPruner(epochs, BRACKET_FACTOR)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2)
    assert name == "none"
    return optuna.pruners.NopPruner()


class HalvingPruner(BasePruner):
    """Asynchronous successive halving (Li et al. 2020) that can be asked twice.

    At the rungs ``first``, ``first · factor``, ``first · factor²``, … a trial goes on if it is
    among the best 1/``factor`` of all that reached the rung. Optuna's own pruner writes a mark
    before it answers, so a question that a crash cut off gets another answer when it is asked
    again; this one looks at the reported values alone.
    """

    def __init__(self, first: int, factor: int):
        self.first = first
        self.factor = factor

    def rungs(self, last: int) -> list[int]:
        """The rungs up to epoch ``last``."""
        count = 0 if last < self.first else int(math.log(last / self.first, self.factor) + 1e-9) + 1
        return [self.first * self.factor**i for i in range(count)]

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        if not self.is_at_rung(trial):  # the others need not be read
            return False
        return self.prune_among(study, trial, study.get_trials(deepcopy=False))

    def is_at_rung(self, trial: FrozenTrial) -> bool:
        step = trial.last_step
        return step is not None and step in self.rungs(step)

    def prune_among(self, study: Study, trial: FrozenTrial, rivals: Sequence[FrozenTrial]) -> bool:
        """Whether ``trial`` ends at its last epoch, measured against ``rivals``."""
        step = trial.last_step
        if step is None or not self.is_at_rung(trial):
            return False
        value = trial.intermediate_values[step]
        if math.isnan(value):
            return True
        values = [t.intermediate_values[step] for t in rivals if step in t.intermediate_values]
        return not is_promoted(value, values, self.factor, study.direction)


def is_promoted(
    value: float, values: Sequence[float], factor: int, direction: StudyDirection
) -> bool:
    """Whether ``value`` is among the best 1/``factor`` of ``values``, which hold it too.

    With fewer than ``factor`` values only the best goes on.
    """
    sign = -1 if direction == StudyDirection.MAXIMIZE else 1
    ranked = sorted(sign * v for v in values if not math.isnan(v))
    promoted = max(1, len(ranked) // factor)
    return sign * value <= ranked[promoted - 1]


class HyperbandPruner(BasePruner):
    """Several halving pruners whose first rungs differ (Li et al. 2018), one for each trial.

    Which one follows from study name and trial number, so runs are repeatable.
    """

    def __init__(self, epochs: int, factor: int):
        count = max(1, int(math.log(epochs, factor) + 1e-9))
        self.brackets = [HalvingPruner(factor**i, factor) for i in range(count)]

    def bracket_of(self, study_name: str, number: int) -> int:
        digest = hashlib.sha256(f"{study_name}_{number}".encode()).digest()
        return int.from_bytes(digest[:4], "big") % len(self.brackets)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        bracket = self.bracket_of(study.study_name, trial.number)
        if not self.brackets[bracket].is_at_rung(trial):
            return False
        rivals = [
            t
            for t in study.get_trials(deepcopy=False)
            if self.bracket_of(study.study_name, t.number) == bracket
        ]
        return self.brackets[bracket].prune_among(study, trial, rivals)


PRUNER_HELP: Mapping[str, str] = {
    "halving": f"successive halving from epoch {FIRST_RUNG}, factor {FACTOR}",
    "hyperband": f"halving brackets, factor {BRACKET_FACTOR}",
    "median": "worse than the median of the others at the same epoch",
    "none": "every trial runs to its end",
}
