"""Which parameters mattered: Optuna's importances, over values that can be compared."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.reporting.study_data import StudyData

FEWEST = 8  # below that a share of variance says nothing
MOST = 300  # spread over the study; more take long and change little
TREES = 32


def completed_importances(data: StudyData) -> tuple[dict[str, float], int]:
    """Shares of the final value's variance in %, over completed trials, and how many these are."""
    done = {
        t.number: t.value
        for t in data.frozen
        if t.state == TrialState.COMPLETE and t.value is not None
    }
    return importances(data, done), len(done)


def early_importances(data: StudyData) -> tuple[dict[str, float], int, int | None]:
    """The same at the last epoch that all trials reached, so that pruned ones count too."""
    epoch = data.common_epoch
    values = {
        t.number: t.intermediate_values[epoch]
        for t in data.frozen
        if epoch in t.intermediate_values and math.isfinite(t.intermediate_values[epoch])
    }
    return importances(data, values), len(values), epoch


def importances(data: StudyData, values: Mapping[int, float]) -> dict[str, float]:
    """fANOVA's shares in %, the largest first; empty where there is too little to go by."""
    chosen = [data.frozen[number] for number in spread(sorted(values))]
    if len(chosen) < FEWEST or len({values[t.number] for t in chosen}) < 2:
        return {}
    study = _study_of(chosen, values)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (ValueError, RuntimeError, ImportError):
        return {}
    return {name: 100 * share for name, share in shares.items() if math.isfinite(share)}


def spread(numbers: Sequence[int]) -> list[int]:
    """At most ``MOST`` of ``numbers``, evenly from the first to the last."""
    if len(numbers) <= MOST:
        return list(numbers)
    step = (len(numbers) - 1) / (MOST - 1)
    return [numbers[round(i * step)] for i in range(MOST)]


def _study_of(trials: list[FrozenTrial], values: Mapping[int, float]) -> optuna.Study:
    """A study in memory in which ``trials`` completed with ``values``."""
    with quiet_optuna():
        study = optuna.create_study(direction="maximize")
    study.add_trials(
        create_trial(params=t.params, distributions=t.distributions, value=values[t.number])
        for t in trials
    )
    return study


class quiet_optuna:  # noqa: N801  reads as a statement
    """Within: Optuna logs nothing below a warning."""

    def __enter__(self) -> None:
        self._before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(logging.WARNING)

    def __exit__(self, *error: object) -> None:
        optuna.logging.set_verbosity(self._before)
