"""What trials leave on disk: their history and figures stay, what nothing can use any more goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.common.layout import BEST_WEIGHTS, CHECKPOINTS, StudyFolder
from search.common.study_files import files_of
from search.record.trials import (
    CONTINUES,
    PAUSED,
    continued,
    is_copy,
    is_paused,
    may_go_on,
    ranked,
)
from search.settings.plan import BEST_KEPT, MOST_FOR_PAUSED
from trainers.failpoints import failpoint

ALL = (*CHECKPOINTS, BEST_WEIGHTS)


class Leftovers:
    """Removes what trials that were told, or have no room, leave. Of told ones ``keep`` says what
    stays: all; with best, the weights of the best three and of the recipe, and the checkpoints of
    the best three that were left paused at each epoch, which go on where the budget is raised;
    with none, nothing.

    Paused trials have room for ``MOST_FOR_PAUSED`` bytes, those furthest on first; what lost its
    checkpoint is trained again from its beginning when it goes on. A crash leaves files that the
    next driver finds; trials at work are left alone.
    """

    def __init__(self, folder: StudyFolder, keep: str, direction: StudyDirection):
        self._folder = folder
        self._files = files_of(folder)
        self._keep = keep
        self._direction = direction
        self._seen: tuple[set[int], set[tuple[int, int]]] = (set(), set())
        self._removed: defaultdict[int, set[str]] = defaultdict(set)
        # By trial and epoch: the bytes of a paused one's files, and those that found no room.
        self._sizes: dict[tuple[int, int], int] = {}
        self._out: set[tuple[int, int]] = set()

    def sweep(self, trials: Sequence[FrozenTrial]) -> None:
        """To be called with all of the study's trials that were not claimed just now, whenever
        some may have ended or paused."""
        ended = {trial.number for trial in trials if trial.state.is_finished()}
        paused = [trial for trial in trials if is_paused(trial)]
        seen = (ended, {(trial.number, trial.last_step or 0) for trial in paused})
        if seen == self._seen:
            return
        weights, resumable = self._with_weights(trials, ended), self._resumable(trials)
        told = {
            number: {*(CHECKPOINTS if number in weights else ALL)} - self._removed[number]
            for number in sorted(ended - resumable)
        }
        self._remove({number: names for number, names in told.items() if names})
        for number, names in told.items():
            self._removed[number] |= names
        self._remove({number: {*ALL} for number in self._crowded_out(paused)})
        self._seen = seen

    def _with_weights(self, trials: Sequence[FrozenTrial], ended: set[int]) -> set[int]:
        """Of those that ended."""
        if self._keep != "best":
            return ended if self._keep == "all" else set()
        trained = [trial for trial in trials if not is_copy(trial)]
        recipe = [t.number for t in trials if t.number == 0 and t.state == TrialState.COMPLETE]
        best = [trial.number for trial in ranked(trained, self._direction)[:BEST_KEPT]]
        return {*recipe, *best}

    def _resumable(self, trials: Sequence[FrozenTrial]) -> set[int]:
        """Told ones that keep their checkpoints, also while the trial that continues one may
        still have to take them over."""
        over = {t.user_attrs.get(CONTINUES) for t in trials if not t.state.is_finished()}
        gone_on = continued(trials)
        groups: defaultdict[int | None, list[FrozenTrial]] = defaultdict(list)
        for trial in trials:
            left = trial.state.is_finished() and PAUSED in trial.user_attrs and may_go_on(trial)
            if left and trial.number not in gone_on:
                groups[trial.last_step].append(trial)
        most = {"all": None, "best": BEST_KEPT, "none": 0}[self._keep]
        best = [t.number for group in groups.values() for t in self._in_order(group)[:most]]
        return {*best, *(number for number in over if number is not None)}

    def _in_order(self, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
        """The furthest on first, then the best."""
        sign = -1 if self._direction == StudyDirection.MAXIMIZE else 1
        best = {t.number: min(sign * v for v in t.intermediate_values.values()) for t in trials}
        return sorted(trials, key=lambda t: (-(t.last_step or 0), best[t.number], t.number))

    def _crowded_out(self, paused: Iterable[FrozenTrial]) -> list[int]:
        """Paused trials for whose files there is no room, once."""
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
        """Those files, by trial, that are there."""
        doomed = {self._folder.trial(number) / name for number in names for name in names[number]}
        if doomed:
            for file in sorted(doomed & self._files.sizes({f.parent for f in doomed}).keys()):
                self._files.remove(file)
                failpoint("leftover removed")
