"""How a trial goes on that was told already: as a new one of the same parameters, which has its
epochs from the record and its checkpoints.

A trial has one terminal state, told once. So where a finished study's total or budget is raised,
what the pruner had ended goes on under a new number.
"""

from __future__ import annotations

from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from search.common.layout import BEST_WEIGHTS, CHECKPOINTS, StudyFolder
from search.common.study_files import files_of
from search.record.trials import CONTINUES, PAUSED, RETRY_OF, TARGET
from search.storage.optuna_internals import trial_id
from search.strategy.promotion import Step
from trainers.failpoints import failpoint

OF_THE_TOLD = ("reason", "driver", RETRY_OF, TARGET, PAUSED)  # attributes that only it has


def continue_as_new(study: Study, told: FrozenTrial, step: Step) -> Trial:
    """The new trial, RUNNING, with all that ``told`` has reported: made in one write, whatever
    the storage, so that no crash leaves a part of it."""
    attributes = {name: v for name, v in told.user_attrs.items() if name not in OF_THE_TOLD}
    attributes |= {CONTINUES: told.number, TARGET: step.target}
    new = create_trial(
        state=TrialState.RUNNING,
        params=told.params,
        distributions=told.distributions,
        user_attrs=attributes,
        intermediate_values=told.intermediate_values,
    )
    study.add_trial(new)
    failpoint("trial continued")
    found = [t for t in study.get_trials(deepcopy=False) if _continues(t, told.number)]
    return Trial(study, trial_id(found[-1]))


def take_over_files(trial: Trial, folder: StudyFolder) -> None:
    """What ``trial`` goes on from, if it continues another and that is still there; else it is
    trained again from its beginning, to the same values. A crash leaves the rest for the next
    time."""
    told = trial.user_attrs.get(CONTINUES)
    if told is None:
        return
    files, old, new = files_of(folder), folder.trial(told), folder.trial(trial.number)
    found = files.sizes([old, new])
    for name in (BEST_WEIGHTS, *CHECKPOINTS):
        if old / name in found and new / name not in found:
            files.move(old / name, new / name)
            failpoint("checkpoint taken over")


def _continues(trial: FrozenTrial, number: int) -> bool:
    return trial.user_attrs.get(CONTINUES) == number
