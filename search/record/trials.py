"""What a study's trials come to: the best of them, and the epochs that pruning saved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

PRUNER_REASON = "pruned at epoch"  # how the ledger begins the reason of what the pruner ended
FEWEST_ALIKE, MOST_ALIKE = 5, 10  # failures for the same reason that end a search


def best_completed(trials: Iterable[FrozenTrial], direction: StudyDirection) -> FrozenTrial | None:
    """The completed trial with the best value in the study's ``direction``, the earliest of
    equals."""
    return next(iter(ranked(trials, direction)), None)


def ranked(trials: Iterable[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """The completed trials, the best first, the earlier of equals first."""
    sign = 1 if direction == StudyDirection.MINIMIZE else -1
    done = [
        (sign * trial.value, trial.number, trial)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    return [trial for _, _, trial in sorted(done, key=lambda item: item[:2])]


def by_pruner(trial: FrozenTrial) -> bool:
    """Whether the pruner ended it; divergence, memory and broken constraints are PRUNED too.

    A study of another program gives no reasons: there, what is PRUNED counts.
    """
    reason = trial.user_attrs.get("reason", PRUNER_REASON)
    return trial.state == TrialState.PRUNED and str(reason).startswith(PRUNER_REASON)


@dataclass(frozen=True)
class Spending:
    """Epochs and seconds of the trials that ended, and the epochs that the pruner spared."""

    ended: int
    completed: int
    pruned: int
    failed: int
    epochs_trained: int
    epochs_saved: int
    seconds: float

    @property
    def saved_share(self) -> float:
        """% of the epochs that there would have been without pruning."""
        return 100 * self.epochs_saved / max(1, self.epochs_trained + self.epochs_saved)


def spending(trials: Sequence[FrozenTrial], epochs: int | None) -> Spending:
    """``epochs`` are those of a whole trial, where a trial does not vary them itself."""
    ended = [trial for trial in trials if trial.state.is_finished()]
    cut = [trial for trial in ended if by_pruner(trial)]
    return Spending(
        ended=len(ended),
        completed=sum(t.state == TrialState.COMPLETE for t in ended),
        pruned=sum(t.state == TrialState.PRUNED for t in ended),
        failed=sum(t.state == TrialState.FAIL for t in ended),
        epochs_trained=sum(len(t.intermediate_values) for t in ended),
        epochs_saved=sum(
            max(0, t.params.get("epochs", epochs or 0) - len(t.intermediate_values)) for t in cut
        ),
        seconds=sum(float(t.user_attrs.get("wall_seconds", 0.0)) for t in ended),
    )


def reference_values(
    references: Iterable[Mapping[str, Any]], setting: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """A report's figures for one setting (the recipe's own by default), by metric."""
    found: dict[str, float] = {}
    for reference in references:
        if dict(reference["setting"]) == dict(setting or {}):
            found.setdefault(reference["metric"], reference["value"])
    return found


def common_failure(trials: Iterable[FrozenTrial]) -> tuple[FrozenTrial, int] | None:
    """The first of the last trials that ended, and their number, if all of them failed for the
    same reason; None where they did not, or are too few. Numbers in a reason may differ."""
    ended = [t for t in trials if t.state.is_finished() and t.datetime_complete is not None]
    last = sorted(ended, key=lambda t: (t.datetime_complete, t.number))[-MOST_ALIKE:]
    if len(last) < FEWEST_ALIKE or any(trial.state != TrialState.FAIL for trial in last):
        return None
    reasons = {re.sub(r"[\d.]+", "N", str(trial.user_attrs.get("reason"))) for trial in last}
    return (last[0], len(last)) if len(reasons) == 1 else None
