"""The confirmation of a search as the trials of two studies have it: the search's own, and those of
the study that trains its best settings again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.study import Study, StudyDirection, get_all_study_names, load_study
from optuna.trial import FrozenTrial, TrialState

from search.common.layout import CONFIRMATION
from search.record.record import StudyRecord
from search.record.trials import is_copy, ranked
from search.storage.optuna_internals import enqueued_params, storage_of
from search.strategy.confirmation import ConfirmationRule, Row
from trainers.metrics import MAXIMIZE, METRICS, Metric

RECIPE = 0  # its trial in the search
CONFIRMED = "confirmed_trial"  # attribute: the trial of the search whose setting is trained
SEED_OPTIONS = ("seed", "split_seed")  # of a configuration: a seed of a row sets both


@dataclass(frozen=True)
class Confirmation:
    """``settings`` are those of the search's trials by number; ``ended`` holds what was trained of
    ``rule``'s rows, and ``metric`` is the objective."""

    rule: ConfirmationRule
    settings: Mapping[int, Mapping[str, Any]]
    trials: Sequence[FrozenTrial]
    metric: Metric

    def params(self, row: Row) -> dict[str, Any]:
        """What the trial of ``row`` varies."""
        return {**self.settings[row.trial], **dict.fromkeys(SEED_OPTIONS, row.seed)}

    def trials_of(self, row: Row) -> list[FrozenTrial]:
        """Those of a row: more than one where a failed one was tried again."""
        wanted = self.params(row)
        return [t for t in self.trials if {**enqueued_params(t), **t.params} == wanted]

    def ended(self, row: Row) -> FrozenTrial | None:
        """The last trial of a row, once nothing of it is still to come."""
        found = self.trials_of(row)
        over = found and all(trial.state.is_finished() for trial in found)
        return found[-1] if over else None

    def values(self) -> dict[Row, float]:
        """As the rule wants them, of all rows that have ended."""
        rule = self.rule
        seeds = (*rule.choosing, *rule.judging)
        rows = [Row(trial, seed) for trial in self.settings for seed in seeds]
        ended = {row: trial for row in rows if (trial := self.ended(row)) is not None}
        return {row: -self.metric.sign * value_of(trial) for row, trial in ended.items()}

    def to_come(self) -> list[Row]:
        """Rows that are needed, as far as is known, and have not ended."""
        values = self.values()
        return [row for row in self.rule.rows(values) if row not in values]


def value_of(trial: FrozenTrial) -> float:
    """NaN where it diverged or failed."""
    completed = trial.state == TrialState.COMPLETE and trial.value is not None
    return float(trial.value) if completed else math.nan  # type: ignore[arg-type]


def confirming_trials(searched: Study) -> list[FrozenTrial]:
    """Those of the study that confirms ``searched``, none where there is no such study."""
    name = f"{searched.study_name}{CONFIRMATION}"
    storage = storage_of(searched)
    if name not in get_all_study_names(storage):
        return []
    return load_study(study_name=name, storage=storage).get_trials(deepcopy=False)


def read_confirmation(
    record: StudyRecord, searched: Sequence[FrozenTrial], confirming: Sequence[FrozenTrial]
) -> Confirmation | None:
    """``searched`` are the search's trials, ``confirming`` those of the other study; None where
    nothing is to be confirmed."""
    facts = record.confirmation
    if facts is None:
        return None
    metric = METRICS[record.objectives[0]]
    best = candidates(record, searched, metric)[: facts.settings]
    rule = ConfirmationRule(
        tuple(trial.number for trial in best), RECIPE, facts.choosing, facts.judging
    )
    settings = {trial.number: setting(trial.params) for trial in best}
    settings = {RECIPE: setting(record.space.baseline), **settings}
    return Confirmation(rule, settings, confirming, metric)


def candidates(
    record: StudyRecord, trials: Iterable[FrozenTrial], metric: Metric
) -> list[FrozenTrial]:
    """The completed trials of a search whose setting is neither the recipe's nor that of a better
    one, the best first."""
    direction = StudyDirection[(MAXIMIZE if metric.sign < 0 else "minimize").upper()]
    seen, found = [setting(record.space.baseline)], list[FrozenTrial]()
    for trial in ranked(trials, direction):
        if not is_copy(trial) and setting(trial.params) not in seen:
            seen.append(setting(trial.params))
            found.append(trial)
    return found


def setting(params: Mapping[str, Any]) -> dict[str, Any]:
    """``params`` without seeds."""
    return {name: value for name, value in params.items() if name not in SEED_OPTIONS}
