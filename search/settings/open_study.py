"""The Optuna study of a search: its record, and the study itself, made or resumed."""

from __future__ import annotations

from dataclasses import replace

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection

from search.common.errors import UserError
from search.record.record import StudyRecord, read_record, write_record
from search.settings.enqueue_from import enqueue
from search.settings.plan import SearchPlan
from search.settings.request import Request
from search.storage.lease import Lease
from search.storage.study_folder import check_folder, claim_folder
from search.strategy.pruners import make_pruner
from search.strategy.samplers import make_sampler
from spaces.space import ResolvedSpace
from trainers.failpoints import failpoint
from trainers.metrics import MAXIMIZE, objective_metric

SECONDS_TO_WAIT = 10  # for a locked database; no signal is answered meanwhile


class BegunMeanwhileError(UserError):
    """Another driver began the study in another way, between this one's plan and its own start."""


def find_record(request: Request, storage: BaseStorage) -> StudyRecord | None:
    """Return what the study of ``request`` says of itself; None where there is none yet.

    Raises ``UserError`` if it is another program's, or keeps its trials elsewhere.
    """
    if request.study_name not in optuna.get_all_study_names(storage):
        return None
    study = optuna.load_study(study_name=request.study_name, storage=storage)
    record = read_record(study)
    if record is None:
        _refuse_foreign(study, request.objectives)
    elif record.reevaluates:
        raise UserError(
            f"study {request.study_name!r} is the re-evaluation of {record.reevaluates!r}; "
            f"resume with --study-name {record.reevaluates}"
        )
    else:
        check_folder(request.folder, request.storage, record.folder, record.folder_token)
    return record


def open_study(plan: SearchPlan, storage: BaseStorage, lease: Lease) -> Study:
    """Return the study of ``plan``, a search's with its baseline as trial 0. Raises ``UserError``
    if another driver began it meanwhile in another way."""
    strategy = plan.record.strategy
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with lease.claiming():
        study = optuna.create_study(
            study_name=plan.folder.study_name,
            storage=storage,
            directions=directions(plan.objectives),
            sampler=make_sampler(strategy.sampler, plan.space, strategy.seed),
            pruner=make_pruner(strategy.pruner, plan.config.epochs),
            load_if_exists=True,
        )
        failpoint("study created")
        found = _check_meanwhile(study, plan)
        _check_constraints(study, plan.space)
        known = (found.folder, found.folder_token) if found else ("", "")
        token = claim_folder(plan.folder, plan.storage, *known)
        write_record(study, replace(plan.record, folder_token=token))
        failpoint("study identified")
        if not study.get_trials(deepcopy=False) and not plan.record.reevaluates:
            study.enqueue_trial(plan.space.baseline_params())
        enqueue(study, plan.record.starts)
    return study


def directions(objectives: tuple[str, ...]) -> list[StudyDirection]:
    """Return for each objective which way is better."""
    return [
        StudyDirection.MAXIMIZE
        if objective_metric(name).direction == MAXIMIZE
        else StudyDirection.MINIMIZE
        for name in objectives
    ]


def _refuse_foreign(study: Study, objectives: tuple[str, ...]) -> None:
    """Refuse a study of another program. A driver may have died between making a study and its
    record: then it is empty."""
    if study.get_trials(deepcopy=False) or study.directions != directions(objectives):
        raise UserError(
            f"study {study.study_name!r} was not made by this program; choose another --study-name"
        )


def _check_meanwhile(study: Study, plan: SearchPlan) -> StudyRecord | None:
    found, ours = read_record(study), plan.record
    if found is None:
        _refuse_foreign(study, plan.objectives)
    elif (found.execution, found.lr_range) != (ours.execution, ours.lr_range):
        raise BegunMeanwhileError(
            f"study {study.study_name!r} was begun by another driver meanwhile; rerun to resume it"
        )
    return found


def _check_constraints(study: Study, space: ResolvedSpace) -> None:
    """Check the constraints on what was trained: one may have changed under the same
    description."""
    for trial in study.get_trials(deepcopy=False):
        broken = space.broken_constraint(trial.params) if trial.intermediate_values else None
        if broken:
            raise UserError(
                f"study {study.study_name!r} was made for another constraint: its trial "
                f"{trial.number} breaks {broken!r}; choose another --study-name"
            )
