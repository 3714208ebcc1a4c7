"""What a study's trials come to: the best of them, and the epochs that pruning saved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.record.record import ReferenceFigure
from trainers.metrics import find_metric

# How the runner begins the reason of what the pruner ended, what diverged and what was copied.
PRUNER_REASON, DIVERGED_REASON = "pruned at epoch", "diverged in epoch"
COPY_REASON = "copy of trial"
COPY_OF, RETRY_OF = "copy_of", "retry_of"  # attributes of a trial: another one's number
# Of a cluster: the node that trained a trial last, and all that did: the epoch after which each
# went on, its name and the kind of its device.
NODE, TRAINED_ON = "node", "trained_on"
# Attributes of a trial that may pause, both epochs: the one that its worker was sent to, and the
# last one at which it paused.
TARGET, PAUSED = "target", "paused_at"
# Attribute of a trial: the one whose epochs it has too, which was told and then could go on.
CONTINUES = "continues"
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


def is_copy(trial: FrozenTrial) -> bool:
    """Whether it ended as another did, without being trained. Its reason says so: ``COPY_OF``
    stays where a copy was cut off and the trial was trained after all."""
    reason = str(trial.user_attrs.get("reason"))
    return trial.state.is_finished() and reason.startswith(COPY_REASON)


def by_pruner(trial: FrozenTrial) -> bool:
    """Whether the pruner ended it; divergence, memory and broken constraints are PRUNED too.

    A study of another program gives no reasons: there, what is PRUNED counts. So does a copy.
    """
    reason = str(trial.user_attrs.get("reason", PRUNER_REASON))
    if is_copy(trial):
        reason = reason.partition(": ")[2]
    return trial.state == TrialState.PRUNED and reason.startswith(PRUNER_REASON)


def is_paused(trial: FrozenTrial) -> bool:
    """Whether nobody works on it until it is promoted, though it has not ended."""
    attributes = trial.user_attrs
    paused = attributes.get(PAUSED)
    return (
        paused is not None
        and paused == attributes.get(TARGET)
        and trial.state == TrialState.RUNNING
    )


def continued(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of trials that were told and went on as others, which have their epochs too."""
    return {trial.user_attrs[CONTINUES] for trial in trials if CONTINUES in trial.user_attrs}


def may_go_on(trial: FrozenTrial) -> bool:
    """Whether it is paused, or was ended by the pruner: there is nothing wrong with it. One that
    was told goes on as a new trial; whether it has, ``continued`` knows."""
    return is_paused(trial) or (by_pruner(trial) and not is_copy(trial))


def counted(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """What counts towards a study's total: not what was enqueued only, nor what failed and was
    tried again, nor what went on as another."""
    trials = list(trials)
    replaced = {t.user_attrs[RETRY_OF] for t in trials if RETRY_OF in t.user_attrs}
    replaced |= continued(trials)
    begun = [trial for trial in trials if trial.state != TrialState.WAITING]
    return [trial for trial in begun if trial.number not in replaced] if replaced else begun


def answer_for(
    params: Mapping[str, Any], trials: Iterable[FrozenTrial], pruned: bool, number: int
) -> FrozenTrial | None:
    """The trial whose ending holds for trial ``number`` with the same ``params``, since a curve
    follows from them: completed, diverged or, where ``pruned`` ones may answer, ended by the
    pruner, or paused and older. Of several the longest."""
    reasons = (PRUNER_REASON, DIVERGED_REASON) if pruned else (DIVERGED_REASON,)
    known = [
        trial
        for trial in trials
        if trial.params == params  # first: of most trials there is no more to look at
        and not is_copy(trial)
        and (
            trial.state == TrialState.COMPLETE
            or (pruned and is_paused(trial) and trial.number < number)
            or (
                trial.state == TrialState.PRUNED
                and str(trial.user_attrs.get("reason")).startswith(reasons)
            )
        )
    ]
    return max(known, key=lambda trial: len(trial.intermediate_values), default=None)


@dataclass(frozen=True)
class Spending:
    """Epochs and seconds of the trials that ended, and the epochs that the pruner spared. Trials
    that went on as others are counted there.

    ``copied`` trials were answered from the record and cost nothing.
    """

    ended: int
    completed: int
    pruned: int
    failed: int
    copied: int
    epochs_trained: int
    epochs_saved: int
    seconds: float

    @property
    def saved_share(self) -> float:
        """% of the epochs that there would have been without pruning."""
        return 100 * self.epochs_saved / max(1, self.epochs_trained + self.epochs_saved)


def spending(trials: Sequence[FrozenTrial], recipe: Mapping[str, Any]) -> Spending:
    """``recipe`` is what the space fixes: how long a trial would have been follows from it and
    the trial's parameters."""
    gone_on = continued(trials)
    ended = [t for t in trials if t.state.is_finished() and t.number not in gone_on]
    trained = [trial for trial in ended if not is_copy(trial)]
    return Spending(
        ended=len(ended),
        completed=sum(t.state == TrialState.COMPLETE for t in ended),
        pruned=sum(t.state == TrialState.PRUNED for t in ended),
        failed=sum(t.state == TrialState.FAIL for t in ended),
        copied=len(ended) - len(trained),
        epochs_trained=sum(len(t.intermediate_values) for t in trained),
        epochs_saved=sum(spared(t, recipe) for t in trained if by_pruner(t)),
        seconds=sum(map(_seconds, trained)),
    )


def spared(pruned: FrozenTrial, recipe: Mapping[str, Any]) -> int:
    """Epochs that ``pruned`` would have gone on for. Where it might have stopped early by itself
    nobody knows, so none are claimed."""
    config = {**recipe, **pruned.params}
    if config.get("early_stopping"):
        return 0
    return max(0, config.get("epochs", 0) - len(pruned.intermediate_values))


def _seconds(trial: FrozenTrial) -> float:
    """What a worker spent on it; another program's attribute of that name may be anything."""
    value = trial.user_attrs.get("wall_seconds", 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0


def reference_values(
    references: Iterable[ReferenceFigure], setting: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """A report's figures for one setting (the recipe's own by default), by metric."""
    found: dict[str, float] = {}
    for reference in references:
        if dict(reference.setting) == dict(setting or {}):
            found.setdefault(find_metric(reference.metric).name, reference.value)
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
