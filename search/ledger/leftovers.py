"""What trials that have ended leave on disk: their history and figures stay, what nothing can use
any more goes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.common.layout import BEST_WEIGHTS, CHECKPOINTS, StudyFolder
from search.planning.flags import BEST_KEPT
from search.record.trials import is_copy, ranked
from trainers.failpoints import failpoint


class Leftovers:
    """Removes the checkpoints of trials that were told, and their best weights but for those that
    ``keep`` (all, none, or best: the best three trials and the recipe) says.

    A crash leaves files that the next driver finds; trials that are not over are left alone.
    """

    def __init__(self, folder: StudyFolder, keep: str, direction: StudyDirection):
        self._folder = folder
        self._keep = keep
        self._direction = direction
        self._swept: set[int] = set()
        self._kept: set[int] = set()  # of those, with their weights

    def sweep(self, trials: Sequence[FrozenTrial]) -> None:
        """To be called with all of the study's trials, whenever some may have ended."""
        ended = {trial.number for trial in trials if trial.state.is_finished()}
        if ended <= self._swept:
            return
        kept = ended if self._keep == "all" else self._best(trials)
        for number in sorted((ended - self._swept) | (self._kept - kept)):
            self._remove(number, CHECKPOINTS if number in kept else (*CHECKPOINTS, BEST_WEIGHTS))
        self._swept, self._kept = ended, kept

    def _best(self, trials: Sequence[FrozenTrial]) -> set[int]:
        if self._keep == "none":
            return set()
        trained = [trial for trial in trials if not is_copy(trial)]
        recipe = [t.number for t in trials[:1] if t.state == TrialState.COMPLETE]
        best = [trial.number for trial in ranked(trained, self._direction)[:BEST_KEPT]]
        return {*recipe, *best}

    def _remove(self, number: int, names: Iterable[str]) -> None:
        folder = self._folder.trial(number)
        with suppress(FileNotFoundError):
            for name in sorted(set(names) & set(os.listdir(folder))):
                (folder / name).unlink(missing_ok=True)  # another driver may be at it too
                failpoint("leftover removed")
