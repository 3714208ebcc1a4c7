"""Successive halving and hyperband, by the values that are on record alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial


class HalvingPruner(BasePruner):
    """Asynchronous successive halving (Li et al. 2020) that can be asked twice.

    At the rungs ``first``, ``first · factor``, ``first · factor²``, … a trial continues if it is
    among the best 1/``factor`` of all that reached the rung. Optuna's own pruner writes a mark
    before it answers, so a question that a crash cut off gets another answer when it is asked
    again; this one looks at the reported values alone.
    """

    def __init__(self, first: int, factor: int):
        self.first = first
        self.factor = factor

    def rungs(self, last: int) -> list[int]:
        """Return the rungs up to epoch ``last``."""
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
        """Return whether ``trial`` ends at its last epoch, measured against ``rivals``."""
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
    """Return whether ``value`` is among the best 1/``factor`` of ``values``, which hold it too.

    With fewer than ``factor`` values only the best is promoted.
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
