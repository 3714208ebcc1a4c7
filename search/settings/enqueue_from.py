"""Another study's best settings as a study's first trials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.common.errors import UserError
from search.record.record import StartingPoint, read_record
from search.record.trials import ranked
from search.settings.plan import SearchPlan
from search.settings.request import Request
from search.settings.run_settings import DEFAULT_TOP
from spaces.params import SpaceError
from spaces.space import ResolvedSpace
from trainers.validators import suggest

ENQUEUED_FROM = "enqueued_from"  # attribute of a trial: where its parameters come from


def with_starting_points(
    plan: SearchPlan, request: Request, storage: BaseStorage | None
) -> tuple[SearchPlan, str]:
    """Return ``plan`` with what --enqueue-from adds to its record, and a line that says what that
    is, "" where it was not asked for. Raises ``UserError``."""
    name = request.settings.enqueue_from
    if name is None:
        return plan, ""
    before = [start.trial for start in plan.record.starts if start.study == name]
    if before:
        return plan, (
            f"--enqueue-from {name!r}: its {len(before)} best settings were enqueued when it was "
            "first named; nothing is added"
        )
    names = [] if storage is None else optuna.get_all_study_names(storage)
    if storage is None or name not in names or name == request.study_name:
        others = [other for other in names if other != request.study_name]
        raise UserError(
            f"--enqueue-from must name another study of this storage{suggest(name, others)} "
            f"(there: {', '.join(others) or 'none'}), got {name!r}"
        )
    other = optuna.load_study(study_name=name, storage=storage)
    starts = _best(other, plan.space, request.settings.top or DEFAULT_TOP)
    record = replace(plan.record, starts=(*plan.record.starts, *starts))
    note = f"enqueued: {len(starts)} settings of study {name!r}"
    return replace(plan, record=record), note


def enqueue(study: Study, starts: tuple[StartingPoint, ...]) -> None:
    """Enqueue what the study has not yet: a driver may have died between two."""
    trials = study.get_trials(deepcopy=False)
    known = {str(trial.user_attrs.get(ENQUEUED_FROM)) for trial in trials}
    for start in starts:
        source = f"trial {start.trial} of study {start.study}"
        if source not in known:
            study.enqueue_trial(dict(start.params), user_attrs={ENQUEUED_FROM: source})


def _best(study: Study, space: ResolvedSpace, top: int) -> list[StartingPoint]:
    """Return the ``top`` best completed trials, each setting once; the baseline is trial 0
    anyway."""
    record = read_record(study)
    fixed = record.space.fixed if record else {}
    points: dict[str, StartingPoint] = {}
    for trial in ranked(study.get_trials(deepcopy=False), study.directions[0]):
        params = _params(trial, space, {**fixed, **trial.params}, study.study_name)
        if params != space.baseline_params():
            start = StartingPoint(study.study_name, trial.number, params)
            points.setdefault(repr(sorted(params.items())), start)
        if len(points) == top:
            break
    if not points:
        raise UserError(
            f"--enqueue-from {study.study_name!r}: none of its trials that completed differs from "
            "the baseline here; choose another study"
        )
    return list(points.values())


def _params(
    trial: FrozenTrial, space: ResolvedSpace, values: dict[str, Any], name: str
) -> dict[str, Any]:
    """Return what varies here, with the values of a trial there; what it has not, the sampler
    draws."""
    found = {p.name: values[p.name] for p in space.parameters if p.name in values}
    try:
        for parameter in space.parameters:
            if parameter.name in found:
                parameter.check(found[parameter.name])
    except SpaceError as error:
        raise _refused(trial, name, str(error)) from None
    for key, value in trial.params.items():
        if key not in found and space.baseline.get(key) != value:
            here = f"is {space.baseline[key]!r}" if key in space.baseline else "is unknown"
            raise _refused(trial, name, f"{key} {here} here and does not vary, got {value!r}")
    active = space.active(found)
    broken = space.broken_constraint(active)
    if broken:
        raise _refused(trial, name, f"it breaks {broken!r}")
    return active


def _refused(trial: FrozenTrial, name: str, why: str) -> UserError:
    return UserError(
        f"--enqueue-from {name!r}: its trial {trial.number} does not fit this space: {why}; "
        "choose a smaller --top, another study, or another space"
    )
