"""What is on record of trials beside Optuna's own: how they ended and what they cost."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.record.record import ReferenceFigure
from trainers.metrics import find_metric

BASELINE = 0  # the number of the trial that every study begins with
# Attributes of a trial: what ended it, one of the following, and why, in words for the reader.
ENDED_BY, REASON = "ended_by", "reason"
COMPLETED, PRUNER, DIVERGED = "completed", "pruner", "diverged"
MEMORY, INFEASIBLE, ERROR = "memory", "infeasible", "error"
# Numbers of other trials: the one whose ending this one has without being trained, the failed one
# whose parameters it has, and the finished one that it resumes, whose epochs it has too.
COPY_OF, RETRY_OF, CONTINUES = "copy_of", "retry_of", "continues"
# Of a cluster: the node that trained a trial last, and all that did: the epoch after which each
# resumed it, its name and the kind of its device.
NODE, TRAINED_ON = "node", "trained_on"
# Epochs of a trial that may pause: the one that its worker was sent to, and the last at which it
# paused.
TARGET, PAUSED = "target", "paused_at"
FEWEST_ALIKE, MOST_ALIKE = 5, 10  # failures for the same reason that end a search


def best_completed(trials: Iterable[FrozenTrial], direction: StudyDirection) -> FrozenTrial | None:
    """Returns the completed trial with the best value, the earliest of equals."""
    return next(iter(ranked(trials, direction)), None)


def ranked(trials: Iterable[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """Returns the completed trials, the best first, the earlier of equals first."""
    sign = 1 if direction == StudyDirection.MINIMIZE else -1
    done = [
        (sign * trial.value, trial.number, trial)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    return [trial for _, _, trial in sorted(done, key=lambda item: item[:2])]


def is_baseline(params: Mapping[str, Any], baseline: Mapping[str, Any]) -> bool:
    """Returns whether a trial with ``params`` trains the study's baseline: trial 0 does, and so
    does a later one that tries it again."""
    return params == dict(baseline)


def is_copy(trial: FrozenTrial) -> bool:
    """Returns whether it ended as another did, without being trained."""
    return trial.state.is_finished() and trial.user_attrs.get(COPY_OF) is not None


def by_pruner(trial: FrozenTrial) -> bool:
    """Returns whether the pruner ended it; divergence, memory and broken constraints are PRUNED
    too. Another program's study does not say: there, what is PRUNED counts."""
    pruned = trial.state == TrialState.PRUNED
    return pruned and trial.user_attrs.get(ENDED_BY, PRUNER) == PRUNER


def is_paused(trial: FrozenTrial) -> bool:
    """Returns whether nobody works on it until it is promoted, though it has not ended."""
    paused = trial.user_attrs.get(PAUSED)
    sent_to = trial.user_attrs.get(TARGET)
    return paused is not None and paused == sent_to and trial.state == TrialState.RUNNING


def other_trial(trial: FrozenTrial, name: str) -> int | None:
    """Returns the number of another trial that the attribute ``name`` holds; None where it holds
    none, as another program's attribute of that name may."""
    value = trial.user_attrs.get(name)
    return value if isinstance(value, int) else None


def continued(trials: Iterable[FrozenTrial]) -> set[int]:
    """Returns the numbers of finished trials that were resumed as others, which have their epochs
    too."""
    found = (other_trial(trial, CONTINUES) for trial in trials)
    return {number for number in found if number is not None}


def can_resume(trial: FrozenTrial) -> bool:
    """Returns whether it is paused or was ended by the pruner: there is nothing wrong with it. One
    that has ended resumes as a new trial; ``continued`` knows whether it has."""
    return is_paused(trial) or (by_pruner(trial) and not is_copy(trial))


def counted(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Returns what counts towards a study's total: not what was enqueued only, nor what failed and
    was tried again, nor what was resumed as another."""
    trials = list(trials)
    replaced = {other_trial(trial, RETRY_OF) for trial in trials} | continued(trials)
    begun = [trial for trial in trials if trial.state != TrialState.WAITING]
    return [trial for trial in begun if trial.number not in replaced]


def answer_for(
    params: Mapping[str, Any], trials: Iterable[FrozenTrial], pruned: bool, number: int
) -> FrozenTrial | None:
    """Returns the trial whose ending holds for trial ``number`` with the same ``params``, since a
    curve follows from them: completed, diverged or, where ``pruned`` ones may answer, ended by the
    pruner, or paused and older. Of several it is the longest."""
    endings = (PRUNER, DIVERGED) if pruned else (DIVERGED,)
    known = [
        trial
        for trial in trials
        if trial.params == params  # first: of most trials there is no more to look at
        and not is_copy(trial)
        and (
            trial.state == TrialState.COMPLETE
            or (trial.state == TrialState.PRUNED and trial.user_attrs.get(ENDED_BY) in endings)
            or (pruned and is_paused(trial) and trial.number < number)
        )
    ]
    return max(known, key=lambda trial: len(trial.intermediate_values), default=None)


@dataclass(frozen=True)
class Spending:
    """Epochs and seconds of the trials that ended, and the epochs that pruning saved. Trials that
    were resumed as others are counted there.

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


def spending(trials: Sequence[FrozenTrial], fixed: Mapping[str, Any]) -> Spending:
    """Return what ``trials`` spent. ``fixed`` are the values of what does not vary: how long a
    trial would have been follows from them and the trial's parameters."""
    resumed = continued(trials)
    ended = [t for t in trials if t.state.is_finished() and t.number not in resumed]
    trained = [trial for trial in ended if not is_copy(trial)]
    return Spending(
        ended=len(ended),
        completed=sum(t.state == TrialState.COMPLETE for t in ended),
        pruned=sum(t.state == TrialState.PRUNED for t in ended),
        failed=sum(t.state == TrialState.FAIL for t in ended),
        copied=len(ended) - len(trained),
        epochs_trained=sum(len(t.intermediate_values) for t in trained),
        epochs_saved=sum(spared(t, fixed) for t in trained if by_pruner(t)),
        seconds=sum(map(_seconds, trained)),
    )


def spared(pruned: FrozenTrial, fixed: Mapping[str, Any]) -> int:
    """Returns the epochs that ``pruned`` did not train. Where it might have stopped early by itself
    nobody knows, so none are claimed."""
    config = {**fixed, **pruned.params}
    if config.get("early_stopping"):
        return 0
    return max(0, config.get("epochs", 0) - len(pruned.intermediate_values))


def _seconds(trial: FrozenTrial) -> float:
    """Return what a worker spent on it; another program's attribute of that name may be
    anything."""
    value = trial.user_attrs.get("wall_seconds", 0.0)
    return float(value) if is_figure(value) else 0.0


def is_figure(value: Any) -> TypeGuard[int | float]:
    """Returns whether an attribute's value is a number that a float holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) <= sys.float_info.max


def reference_values(
    references: Iterable[ReferenceFigure], setting: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Returns a report's figures for one setting (the baseline by default), by metric."""
    found: dict[str, float] = {}
    for reference in references:
        if dict(reference.setting) == dict(setting or {}):
            found.setdefault(find_metric(reference.metric).name, reference.value)
    return found


def all_failed(trials: Iterable[FrozenTrial]) -> bool:
    """Returns whether trials have ended and every one of them failed."""
    ended = [trial for trial in trials if trial.state.is_finished()]
    return bool(ended) and all(trial.state == TrialState.FAIL for trial in ended)


def common_failure(trials: Sequence[FrozenTrial]) -> tuple[FrozenTrial, int] | None:
    """Returns the first of the last trials that ended, and their number, if all of them failed for
    the same reason; None where they did not, or are too few. Numbers in a reason may differ."""
    ended = [t for t in trials if t.state.is_finished() and t.datetime_complete is not None]
    last = sorted(ended, key=lambda t: (t.datetime_complete, t.number))[-MOST_ALIKE:]
    if len(last) < FEWEST_ALIKE or any(trial.state != TrialState.FAIL for trial in last):
        return None
    reasons = {re.sub(r"[\d.]+", "N", str(trial.user_attrs.get(REASON))) for trial in last}
    return (last[0], len(last)) if len(reasons) == 1 else None
