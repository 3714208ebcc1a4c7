"""Re-evaluation: the best settings of a search are trained again, with fresh seeds.

Some seeds choose: one by one, all candidates with the same seed, and who is clearly worse than the
best is dropped. Other seeds judge: the chosen setting and the baseline, in pairs. The best of
several noisy figures is too high, by fresh seeds too; but no run that judges has had a part in
choosing, so the difference of the pairs is not, and its interval holds what it says however many
candidates there were. All of this is a pure function of what is on record: the trials of the search
and those of the study that trains its best settings again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from optuna.study import Study, StudyDirection, get_all_study_names, load_study
from optuna.trial import FrozenTrial, TrialState

from search.common.layout import CONFIRMATION
from search.common.statistics import paired_difference
from search.record.record import StudyRecord
from search.record.trials import BASELINE, is_copy, ranked
from search.storage.optuna_internals import enqueued_params, storage_of
from trainers.metrics import MAXIMIZE, METRICS, Metric
from trainers.seeds import derive_seed

FIRST_TEST = 2  # seeds; one says nothing of its noise
CONFIRMED = "confirmed_trial"  # attribute: the trial of the search whose setting is trained
SEED_OPTIONS = ("seed", "split_seed")  # of a configuration: a seed of a row sets both
SEEDS = 2**31  # below which a seed lies: Optuna keeps integers as floating-point numbers


class Row(NamedTuple):
    """One training: the setting of the search's ``trial``, with another ``seed``."""

    trial: int
    seed: int


# Rows that have ended: the objective, turned such that higher is better, NaN where there is none.
Values = Mapping[Row, float]


@dataclass(frozen=True)
class Choice:
    """The result of selection. ``winner`` is None while ``rows`` are not all on record, and where
    no candidate stood. ``dropped``: candidate → seeds after which it was."""

    winner: int | None
    rows: tuple[Row, ...]
    dropped: Mapping[int, int]


@dataclass(frozen=True)
class ReevaluationRule:
    """The trials and seeds of a re-evaluation. ``candidates`` are trials of the search, the best
    first, ``baseline`` is the baseline's; ``choosing`` are the selection seeds and ``judging`` the
    evaluation seeds, all different."""

    candidates: tuple[int, ...]
    baseline: int
    choosing: tuple[int, ...]
    judging: tuple[int, ...]

    def rows(self, values: Values) -> list[Row]:
        """Return all trainings that are needed as far as ``values`` tell, in the order in which
        they are best begun. The baseline's never wait for the choice."""
        choice = self.choose(values)
        rows = list(choice.rows)
        for seed in self.judging:
            if choice.winner is not None:
                rows.append(Row(choice.winner, seed))
            rows.append(Row(self.baseline, seed))
        return rows

    def choose(self, values: Values) -> Choice:
        """Return the candidate with the best mean over the selection seeds, of those that were not
        dropped on the way; of equals the one that was ahead before."""
        alive, dropped, rows = list(self.candidates), dict[int, int](), list[Row]()
        for done, seed in enumerate(self.choosing, start=1):
            if len(alive) < 2:
                break
            rows += [Row(candidate, seed) for candidate in alive]
            if done < min(FIRST_TEST, len(self.choosing)):
                continue
            if any(row not in values for row in rows):
                return Choice(None, tuple(rows), dropped)
            known = {c: [values[Row(c, s)] for s in self.choosing[:done]] for c in alive}
            alive = contenders(known)
            dropped |= {c: done for c in known if c not in alive}
        return Choice(alive[0] if alive else None, tuple(rows), dropped)


def contenders(known: Mapping[int, Sequence[float]]) -> list[int]:
    """Return the candidates, the best mean first, whose values the best one's do not beat beyond
    doubt, by a paired 95 % interval. Whoever has no value with some seed is worse than all.

    It is asked after each seed, without a correction for that: a candidate that is dropped by
    chance is a poorer choice, but the seeds that judge do not know of it.
    """
    finite = [c for c, values in known.items() if all(map(math.isfinite, values))]
    ordered = sorted(finite, key=lambda c: -fmean(known[c]))
    return [c for c in ordered if not paired_difference(known[ordered[0]], known[c]).low > 0]


def choosing_seeds(seed: int, judging: int) -> tuple[int, ...]:
    """Return the selection seeds, about half as many as the evaluation seeds: a wrong choice among
    near-equals costs little."""
    return tuple(_fresh(seed, "choose", i) for i in range((judging + 1) // 2))


def judging_seeds(seed: int, number: int) -> tuple[int, ...]:
    """Return ``number`` evaluation seeds that follow from the baseline's seed; more of them begin
    with the same."""
    return tuple(_fresh(seed, "judge", i) for i in range(number))


def _fresh(seed: int, *purpose: object) -> int:
    return derive_seed(seed, "confirm", *purpose) % SEEDS


def most_trainings(candidates: int, judging: int) -> int:
    """Return the number of trainings if no candidate is dropped, for whoever plans their time."""
    choosing = (judging + 1) // 2 if candidates > 1 else 0
    return candidates * choosing + 2 * judging if candidates else 0


@dataclass(frozen=True)
class Reevaluation:
    """A re-evaluation as far as it has come. ``settings`` are those of the search's trials by
    number; ``ended`` holds what was trained of ``rule``'s rows, and ``metric`` is the objective."""

    rule: ReevaluationRule
    settings: Mapping[int, Mapping[str, Any]]
    trials: Sequence[FrozenTrial]
    metric: Metric

    def params(self, row: Row) -> dict[str, Any]:
        """Return the parameters of the trial of ``row``."""
        return {**self.settings[row.trial], **dict.fromkeys(SEED_OPTIONS, row.seed)}

    def trials_of(self, row: Row) -> list[FrozenTrial]:
        """Return the trials of a row: more than one where a failed one was tried again."""
        wanted = self.params(row)
        return [t for t in self.trials if {**enqueued_params(t), **t.params} == wanted]

    def ended(self, row: Row) -> FrozenTrial | None:
        """Return the last trial of a row, once nothing of it is still to come."""
        found = self.trials_of(row)
        over = found and all(trial.state.is_finished() for trial in found)
        return found[-1] if over else None

    def values(self) -> dict[Row, float]:
        """Return the values of all rows that have ended, as the rule wants them."""
        rule = self.rule
        seeds = (*rule.choosing, *rule.judging)
        rows = [Row(trial, seed) for trial in self.settings for seed in seeds]
        ended = {row: trial for row in rows if (trial := self.ended(row)) is not None}
        return {row: -self.metric.sign * value_of(trial) for row, trial in ended.items()}

    def to_come(self) -> list[Row]:
        """Return the rows that are needed, as far as is known, and have not ended."""
        values = self.values()
        return [row for row in self.rule.rows(values) if row not in values]


def value_of(trial: FrozenTrial) -> float:
    """Return a trial's value, NaN where it diverged or failed."""
    completed = trial.state == TrialState.COMPLETE and trial.value is not None
    return float(trial.value) if completed else math.nan  # type: ignore[arg-type]


def reevaluation_trials(searched: Study) -> list[FrozenTrial]:
    """Return the trials of the study that re-evaluates ``searched``, none where there is no such
    study."""
    name = f"{searched.study_name}{CONFIRMATION}"
    storage = storage_of(searched)
    if name not in get_all_study_names(storage):
        return []
    return load_study(study_name=name, storage=storage).get_trials(deepcopy=False)


def read_reevaluation(
    record: StudyRecord, searched: Sequence[FrozenTrial], confirming: Sequence[FrozenTrial]
) -> Reevaluation | None:
    """Return the re-evaluation of ``searched``, the search's trials, by ``confirming``, those of
    the other study; None where nothing is re-evaluated."""
    facts = record.reevaluation
    if facts is None:
        return None
    metric = METRICS[record.objectives[0]]
    best = candidates(record, searched, metric)[: facts.settings]
    rule = ReevaluationRule(
        tuple(trial.number for trial in best), BASELINE, facts.choosing, facts.judging
    )
    settings = {trial.number: setting(trial.params) for trial in best}
    settings = {BASELINE: setting(record.space.baseline), **settings}
    return Reevaluation(rule, settings, confirming, metric)


def candidates(
    record: StudyRecord, trials: Iterable[FrozenTrial], metric: Metric
) -> list[FrozenTrial]:
    """Return the completed trials of a search whose setting is neither the baseline's nor that of a
    better one, the best first."""
    direction = StudyDirection[(MAXIMIZE if metric.sign < 0 else "minimize").upper()]
    seen, found = [setting(record.space.baseline)], list[FrozenTrial]()
    for trial in ranked(trials, direction):
        if not is_copy(trial) and setting(trial.params) not in seen:
            seen.append(setting(trial.params))
            found.append(trial)
    return found


def setting(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``params`` without seeds."""
    return {name: value for name, value in params.items() if name not in SEED_OPTIONS}
