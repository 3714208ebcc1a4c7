"""What trials leave on disk: history and figures stay, what no trial can use any more goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from search.common.file_store import files_of
from search.common.layout import BEST_WEIGHTS, CHECKPOINTS
from search.record.trials import (
    CONTINUES,
    PAUSED,
    can_resume,
    continued,
    is_baseline,
    is_copy,
    is_paused,
    ranked,
)
from search.settings.plan import BEST_KEPT, MOST_FOR_PAUSED, TrialPlan
from trainers.failpoints import failpoint

ALL = (*CHECKPOINTS, BEST_WEIGHTS)


class Retention:
    """Removes files of trials that have finished, or for which there is no room. Of finished ones
    the plan's ``keep_weights`` says what stays: all; with best, the weights of the best three and
    of the baseline, and the checkpoints of the best three that were left paused at each epoch,
    which resume where the budget is raised; with none, nothing.

    Paused trials have room for ``MOST_FOR_PAUSED`` bytes, those furthest on first; what lost its
    checkpoint is trained again from its beginning when it resumes. A crash leaves files that the
    next driver finds; trials at work are left alone.
    """

    def __init__(self, plan: TrialPlan, direction: StudyDirection):
        self._folder = plan.folder
        self._files = files_of(plan.folder)
        self._keep = plan.keep_weights
        self._baseline = plan.space.baseline_params()
        self._direction = direction
        self._seen: tuple[set[int], set[tuple[int, int]]] = (set(), set())
        self._removed: defaultdict[int, set[str]] = defaultdict(set)
        # By trial and epoch: the bytes of a paused one's files, and those that found no room.
        self._sizes: dict[tuple[int, int], int] = {}
        self._out: set[tuple[int, int]] = set()

    def sweep(self, trials: Sequence[FrozenTrial]) -> None:
        """Looks through all of the study's trials that were not claimed just now; to be called
        whenever some may have ended or paused."""
        ended = {trial.number for trial in trials if trial.state.is_finished()}
        paused = [trial for trial in trials if is_paused(trial)]
        seen = (ended, {(trial.number, trial.last_step or 0) for trial in paused})
        if seen == self._seen:
            return
        weights, resumable = self._with_weights(trials, ended), self._resumable(trials)
        doomed = {
            number: {*(CHECKPOINTS if number in weights else ALL)} - self._removed[number]
            for number in sorted(ended - resumable)
        }
        self._remove({number: names for number, names in doomed.items() if names})
        for number, names in doomed.items():
            self._removed[number] |= names
        self._remove({number: {*ALL} for number in self._crowded_out(paused)})
        self._seen = seen

    def take_over(self, trial: Trial) -> None:
        """Moves the files of what ``trial`` resumes as a new one, if they are still there; else it
        is trained again from its beginning, to the same values. A crash leaves the rest for the
        next time."""
        ended = trial.user_attrs.get(CONTINUES)
        if ended is None:
            return
        old, new = self._folder.trial(ended), self._folder.trial(trial.number)
        found = self._files.sizes([old, new])
        for name in (BEST_WEIGHTS, *CHECKPOINTS):
            if old / name in found and new / name not in found:
                self._files.move(old / name, new / name)
                failpoint("checkpoint taken over")

    def _with_weights(self, trials: Sequence[FrozenTrial], ended: set[int]) -> set[int]:
        """Return the finished trials whose weights are kept."""
        if self._keep != "best":
            return ended if self._keep == "all" else set()
        trained = [trial for trial in trials if not is_copy(trial)]
        done = [t for t in trials if t.state == TrialState.COMPLETE]
        baseline = [t.number for t in done if is_baseline(t.params, self._baseline)]
        best = [trial.number for trial in ranked(trained, self._direction)[:BEST_KEPT]]
        return {*baseline, *best}

    def _resumable(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Return the finished trials that keep their checkpoints, also while the trial that resumes
        one may still have to take them over."""
        over = {t.user_attrs.get(CONTINUES) for t in trials if not t.state.is_finished()}
        resumed = continued(trials)
        groups: defaultdict[int | None, list[FrozenTrial]] = defaultdict(list)
        for trial in trials:
            left = trial.state.is_finished() and PAUSED in trial.user_attrs and can_resume(trial)
            if left and trial.number not in resumed:
                groups[trial.last_step].append(trial)
        most = {"all": None, "best": BEST_KEPT, "none": 0}[self._keep]
        best = [t.number for group in groups.values() for t in self._in_order(group)[:most]]
        return {*best, *(number for number in over if number is not None)}

    def _in_order(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that got furthest first, then the best."""
        sign = -1 if self._direction == StudyDirection.MAXIMIZE else 1
        best = {t.number: min(sign * v for v in t.intermediate_values.values()) for t in trials}
        return sorted(trials, key=lambda t: (-(t.last_step or 0), best[t.number], t.number))

    def _crowded_out(self, paused: Iterable[FrozenTrial]) -> list[int]:
        """Return the paused trials for whose files there is no room, each once."""
        out, room = [], MOST_FOR_PAUSED
        for trial in self._in_order(paused):
            key = (trial.number, trial.last_step or 0)
            if key not in self._out:
                room -= self._size(key)
                if room < 0:
                    out.append(trial.number)
                    self._out.add(key)
        return out

    def _size(self, key: tuple[int, int]) -> int:
        if key not in self._sizes:
            found = self._files.sizes([self._folder.trial(key[0])])
            self._sizes[key] = sum(size for file, size in found.items() if file.name in ALL)
        return self._sizes[key]

    def _remove(self, names: Mapping[int, set[str]]) -> None:
        """Remove those of the files, by trial, that are there."""
        doomed = {self._folder.trial(number) / name for number in names for name in names[number]}
        if doomed:
            for file in sorted(doomed & self._files.sizes({f.parent for f in doomed}).keys()):
                self._files.remove(file)
                failpoint("leftover removed")
