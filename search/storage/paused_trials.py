"""Paused trials are not read again while they pause: there may be thousands of them.

Optuna reads every unfinished trial whenever it is asked for a study's trials. A paused one
stays as it was read while it is RUNNING and one attribute stays the same, which whoever resumes
it writes. A trial's attributes are read before the rest of it: what was written together with
them is never missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select
from sqlalchemy.orm import Session

from search.storage.optuna_internals import TRIALS, USER_ATTRIBUTES, trial_id


class PausedTrials:
    """The paused trials of a storage. ``is_paused`` says whether a trial is; ``mark`` names the
    attribute that stays unchanged for so long."""

    def __init__(self, is_paused: Callable[[FrozenTrial], bool], mark: str):
        self._is_paused = is_paused
        self._mark = mark
        self._known: dict[int, tuple[str, FrozenTrial]] = {}  # with the attribute, as stored

    def unchanged(self, session: Session, study_id: int) -> Mapping[int, FrozenTrial]:
        """Returns those of a study that pause as they did when they were read, by id."""
        if not self._known:
            return {}
        same_trial = USER_ATTRIBUTES.c.trial_id == TRIALS.c.trial_id
        query = select(TRIALS.c.trial_id, USER_ATTRIBUTES.c.value_json).join(
            USER_ATTRIBUTES, same_trial & (USER_ATTRIBUTES.c.key == self._mark)
        )
        running = (TRIALS.c.study_id == study_id) & (TRIALS.c.state == TrialState.RUNNING)
        found = {}
        for trial, mark in session.execute(query.where(running)):
            known_mark, known = self._known.get(trial, (None, None))
            if known is not None and known_mark == mark:
                found[trial] = known
        return found

    def keep(self, trials: Iterable[FrozenTrial]) -> None:
        """Takes in what was read."""
        for trial in trials:
            if self._is_paused(trial):
                mark = json.dumps(trial.user_attrs.get(self._mark))
                self._known[trial_id(trial)] = (mark, trial)
            else:
                self._known.pop(trial_id(trial), None)

    def forget(self) -> None:
        """Forget what was read: it may not have been committed in the end."""
        self._known.clear()
