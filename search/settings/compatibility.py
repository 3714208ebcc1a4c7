"""Checks that a command fits the study on record that it is to resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from optuna.distributions import json_to_distribution

from search.common.errors import UserError
from search.record.record import StrategyFacts, StudyRecord
from search.settings.request import Request
from spaces.params import Categorical
from trainers.config import config_from_mapping
from trainers.execution import Execution
from trainers.user_code import located, names_file, same_code


def refuse_another(study_name: str, found: StudyRecord, wanted: StudyRecord) -> None:
    """Raises ``UserError`` if the study ``found`` was made for something else than ``wanted``.

    Values are compared, not texts, and what a record lacks has its default: a release that adds
    an option works with older studies.
    """
    parts: dict[str, tuple[Any, Any]] = {
        "space": (found.space.name, wanted.space.name),
        "dataset": (found.data.fingerprint, wanted.data.fingerprint),
        "objective": (", ".join(found.objectives), ", ".join(wanted.objectives)),
        "parameters": (_parameters(found), _parameters(wanted)),
        "condition": (found.space.conditions, wanted.space.conditions),
        "baseline": (_baseline(found), _baseline(wanted)),
        "constraint": (found.space.constraints, wanted.space.constraints),
    }
    for part, (old, new) in parts.items():
        if old != new:
            other = "other" if part == "parameters" else "another"
            raise UserError(
                f"study {study_name!r} was made for {other} {part}: {_difference(old, new)}; "
                "choose another --study-name, or give the same settings to resume it"
            )


def as_begun(request: Request, found: StudyRecord) -> Request:
    """Return ``request`` with what it leaves open of intervals, and of how many trials share a
    card, as its study has it. Raises ``UserError`` where it asks for other intervals."""
    request = _with_recorded_code(_with_ranges(request, found), found)
    share = found.gpus_per_trial
    if request.settings.gpus_per_trial is None and 0 < share < 1:
        return replace(request, settings=replace(request.settings, gpus_per_trial=share))
    return request


def _with_ranges(request: Request, found: StudyRecord) -> Request:
    """Return ``request`` with the intervals that its study was begun with. Raises ``UserError``
    where it asks for others."""
    began = {name: (low, high) for name, (low, high) in found.space.ranges.items()}
    if not request.settings.range:
        settings = replace(request.settings, range=began)
        return replace(request, settings=settings, space=request.space.narrow(began))
    if request.settings.range != began:
        flags = " ".join(f"--range {k}={low:g}:{high:g}" for k, (low, high) in began.items())
        raise UserError(
            f"study {request.study_name!r} was begun with {flags or 'no --range'}; "
            "leave out --range, or choose another --study-name"
        )
    return request


def _with_recorded_code(request: Request, found: StudyRecord) -> Request:
    """Return ``request`` whose files of models and training functions go by the paths on record,
    where they are the same: a job of a cluster has them under another path each time. Where those
    paths lead to other files than the ones asked for, the modules beside them may be others'."""
    settings = {**found.space.fixed, **found.space.baseline}
    choices = [getattr(kind, "choices", ()) for kind in _parameters(found).values()]
    recorded = [v for v in (*settings.values(), *chain(*choices)) if is_code(v) and located(v)]

    def renamed(value: Any) -> Any:
        return next((r for r in recorded if is_code(value) and _is_same_file(r, value)), value)

    space = request.space
    space = replace(
        space,
        baseline={name: renamed(value) for name, value in space.baseline.items()},
        parameters=tuple(
            replace(p, choices=tuple(map(renamed, p.choices))) if isinstance(p, Categorical) else p
            for p in space.parameters
        ),
    )
    if not recorded or space == request.space:
        return request
    return replace(request, space=space, config=config_from_mapping(dict(space.baseline)))


def _is_same_file(recorded: str, asked: str) -> bool:
    found, wanted = located(recorded), located(asked)
    same = found is not None and wanted is not None and found[0].samefile(wanted[0])
    return same and same_code(recorded, asked)


def is_code(value: Any) -> bool:
    """Return whether a value names a model or function of a file."""
    return isinstance(value, str) and names_file(value)


def refuse_other_computing(request: Request, began: Execution) -> None:
    """Raises ``UserError`` where flags ask to compute in another way than the study began:
    precision, threads and processes change the bits of a curve."""
    name = request.study_name
    settings = request.settings
    asked_for = {
        "precision": settings.asked_precision,
        "threads": settings.threads,
        "processes": settings.processes,
    }
    for flag, asked in asked_for.items():
        old = getattr(began, flag)
        if asked is not None and asked != old:
            raise UserError(
                f"study {name!r} began with --{flag} {old}, and {asked} would change its curves; "
                f"leave out --{flag}, or choose another --study-name"
            )
    exact = settings.deterministic
    if exact is not None and exact != began.deterministic:
        how, flag = ("with", "--no-") if began.deterministic else ("without", "--")
        raise UserError(
            f"study {name!r} began {how} --deterministic; leave out {flag}deterministic, or choose "
            "another --study-name"
        )
    on_gpu, asked_gpus = began.device == "cuda", request.settings.gpus_per_trial
    if on_gpu and not request.resources(began).gpus_per_trial:
        raise UserError(
            f"study {name!r} began on a GPU, and this run has none; resume where there is one, "
            "or choose another --study-name"
        )
    if not on_gpu and asked_gpus:
        raise UserError(
            f"study {name!r} began on the CPU, got --gpus-per-trial {asked_gpus:g}; "
            "leave it out, or choose another --study-name"
        )


def strategy_changes(old: StrategyFacts, new: StrategyFacts) -> list[str]:
    """Return a line for each choice that holds from now on and was another."""
    named = (
        ("sampler", old.sampler, new.sampler),
        ("pruner", old.pruner, new.pruner),
        ("seed of the sampler", old.seed, new.seed),
        ("number of trials", old.n_trials, new.n_trials),
        ("weights kept", old.keep_weights, new.keep_weights),
        ("budget of epochs", old.epoch_budget, new.epoch_budget),
    )
    return [
        f"{what}: {now} from now on, until now {then}"
        for what, then, now in named
        if then is not None and then != now
    ]


def _parameters(record: StudyRecord) -> dict[str, Any]:
    return {name: json_to_distribution(text) for name, text in record.space.parameters.items()}


def _baseline(record: StudyRecord) -> dict[str, Any]:
    """Return all that is fixed."""
    config = config_from_mapping({**record.space.fixed, **record.space.baseline})
    varies = record.space.parameters
    return {name: value for name, value in config.to_dict().items() if name not in varies}


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                return f"{key} was {old.get(key)!r}, now {new.get(key)!r}"
    return f"it was {old!r}, now {new!r}"
