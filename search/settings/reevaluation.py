"""The plan of a re-evaluation, made of a search's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage
from optuna.study import get_all_study_names, load_study

from search.common.errors import UserError
from search.record.record import ReevaluationFacts, StudyRecord, read_record
from search.settings.plan import SearchPlan
from search.settings.request import Request
from search.strategy.distributions import distributions
from search.strategy.reevaluation import (
    SEED_OPTIONS,
    SEEDS,
    choosing_seeds,
    judging_seeds,
    most_trainings,
)
from spaces.params import Int
from spaces.space import ResolvedSpace
from trainers.config import config_from_mapping


def choose_reevaluation(request: Request, found: StudyRecord | None) -> ReevaluationFacts | None:
    """Return what is given, else what the study has, else what the preset says."""
    preset = request.space.preset
    settings, seeds = preset.confirm, preset.confirm_seeds
    if found is not None:
        settings = found.reevaluation.settings if found.reevaluation else 0
        seeds = len(found.reevaluation.judging) if found.reevaluation else seeds
    if request.settings.confirm is not None:
        settings = request.settings.confirm
    if not settings:
        return None
    seeds = request.settings.confirm_seeds or seeds
    seed = request.config.seed
    return ReevaluationFacts(settings, choosing_seeds(seed, seeds), judging_seeds(seed, seeds))


def reevaluation_trainings(facts: ReevaluationFacts | None) -> int:
    """Return the largest number of trainings that a re-evaluation takes."""
    return most_trainings(facts.settings, len(facts.judging)) if facts else 0


def reevaluation_plan(plan: SearchPlan) -> SearchPlan:
    """Return a study of its own beside the search's: the same space, where the seed varies too."""
    facts = plan.record.reevaluation
    assert facts is not None
    space = with_seeds(plan.space, facts.judging[0])
    config = config_from_mapping(dict(space.baseline))
    folder = plan.folder.of_reevaluation()
    record = plan.record
    varies = distributions(space.parameters)
    described = replace(
        record.space,
        title=f"{record.space.title}, re-evaluation",
        fixed={name: value for name, value in config.to_dict().items() if name not in varies},
        baseline=space.baseline_params(),
        parameters={name: distribution_to_json(kind) for name, kind in varies.items()},
    )
    return replace(
        plan,
        space=space,
        n_trials=reevaluation_trainings(facts),
        folder=folder,
        config=config,
        epoch_budget=None,
        record=replace(
            record,
            space=described,
            strategy=replace(
                record.strategy, sampler="random", pruner="none", n_trials=None, epoch_budget=None
            ),
            references=(),
            starts=(),
            reevaluation=None,
            reevaluates=plan.folder.study_name,
            folder=folder.address,
            folder_token="",
        ),
    )


def with_seeds(space: ResolvedSpace, seed: int) -> ResolvedSpace:
    """Return ``space`` where the seeds vary, the baseline's being ``seed``."""
    seeds: dict[str, Any] = dict.fromkeys(SEED_OPTIONS, seed)
    kept = tuple(p for p in space.parameters if p.name not in SEED_OPTIONS)
    varied = tuple(Int(name, 0, SEEDS - 1) for name in SEED_OPTIONS)
    return replace(space, baseline={**space.baseline, **seeds}, parameters=(*kept, *varied))


def refuse_other_study(plan: SearchPlan, storage: BaseStorage) -> None:
    """Raises ``UserError`` where another study has the re-evaluation's name."""
    name = plan.folder.of_reevaluation().study_name
    if plan.record.reevaluation is None or name not in get_all_study_names(storage):
        return
    study = load_study(study_name=name, storage=storage)
    record = read_record(study)
    alien = record is None and study.get_trials(deepcopy=False)
    if alien or (record and record.reevaluates != plan.folder.study_name):
        raise UserError(
            f"study {name!r}, which would hold the re-evaluation, is another study; "
            "choose another --study-name, or --no-confirm"
        )
