"""Optuna's parallel coordinates, on the axes that were searched."""

from __future__ import annotations

import warnings

import optuna
from optuna.trial import TrialState, create_trial

from search.reporting.importance import quiet_optuna
from search.reporting.section import Interactive
from search.reporting.sections.history import value_of
from search.reporting.sections.slices import varied
from search.reporting.study_data import StudyData

MOST_AXES = 10


def parallel_coordinates(data: StudyData) -> Interactive | None:
    """Every trial with a value, pruned ones with their best epoch; None below two of them."""
    names = varied(data)[:MOST_AXES]
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    there = [
        create_trial(params=t.params, distributions=t.distributions, value=value)
        for t in data.frozen
        if t.state in ended and (value := value_of(data, t)) is not None
    ]
    if len(there) < 2 or len(names) < 2:
        return None
    with quiet_optuna(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(direction="maximize" if data.maximize else "minimize")
        study.add_trials(there)
        figure = optuna.visualization.plot_parallel_coordinate(
            study, params=names, target_name=data.metric
        )
    figure.update_layout(title=None)
    caption = "Each line is a trial; drag along an axis to pick some out."
    return Interactive("parallel", "Parallel coordinates", figure, caption)
