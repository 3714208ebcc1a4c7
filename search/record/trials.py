"""What a study's trials come to: the best of them, and the epochs that pruning saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

PRUNER_REASON = "pruned at epoch"  # how the ledger begins the reason of what the pruner ended


def best_completed(
    trials: Iterable[FrozenTrial], direction: StudyDirection = StudyDirection.MAXIMIZE
) -> FrozenTrial | None:
    """The completed trial with the best value, the earliest of equals."""
    return next(iter(ranked(trials, direction)), None)


def ranked(
    trials: Iterable[FrozenTrial], direction: StudyDirection = StudyDirection.MAXIMIZE
) -> list[FrozenTrial]:
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


def published_values(
    references: Iterable[Mapping[str, Any]], setting: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """The published figures of one setting (the recipe's own by default), by metric."""
    found: dict[str, float] = {}
    for reference in references:
        if dict(reference["setting"]) == dict(setting or {}):
            found.setdefault(reference["metric"], reference["value"])
    return found
