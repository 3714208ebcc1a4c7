"""The plan of a confirmation, made of a search's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage
from optuna.study import get_all_study_names, load_study

from search.common.errors import UserError
from search.record.record import ConfirmationFacts, StudyRecord, read_record
from search.settings.plan import SearchPlan
from search.settings.request import Request
from search.strategy.confirmation import SEEDS, choosing_seeds, judging_seeds, most_trainings
from search.strategy.confirmed import SEED_OPTIONS
from search.strategy.distributions import distributions
from spaces.params import Int
from spaces.space import ResolvedSpace
from trainers.config import config_from_mapping


def choose_confirmation(request: Request, found: StudyRecord | None) -> ConfirmationFacts | None:
    """As asked, else as the study has it, else as the preset says."""
    preset = request.space.preset
    settings, seeds = preset.confirm, preset.confirm_seeds
    if found is not None:
        settings = found.confirmation.settings if found.confirmation else 0
        seeds = len(found.confirmation.judging) if found.confirmation else seeds
    if request.settings.confirm is not None:
        settings = request.settings.confirm
    if not settings:
        return None
    seeds = request.settings.confirm_seeds or seeds
    seed = request.config.seed
    return ConfirmationFacts(settings, choosing_seeds(seed, seeds), judging_seeds(seed, seeds))


def confirmation_trainings(facts: ConfirmationFacts | None) -> int:
    """The most that it takes."""
    return most_trainings(facts.settings, len(facts.judging)) if facts else 0


def confirmation_plan(plan: SearchPlan) -> SearchPlan:
    """A study of its own beside the search's: the same space, where the seed varies too."""
    facts = plan.record.confirmation
    assert facts is not None
    space = with_seeds(plan.space, facts.judging[0])
    config = config_from_mapping(dict(space.baseline))
    folder = plan.folder.of_confirmation()
    record = plan.record
    varies = distributions(space.parameters)
    described = replace(
        record.space,
        title=f"{record.space.title}, confirmation",
        fixed={name: value for name, value in config.to_dict().items() if name not in varies},
        baseline=space.baseline_params(),
        parameters={name: distribution_to_json(kind) for name, kind in varies.items()},
    )
    return replace(
        plan,
        space=space,
        n_trials=confirmation_trainings(facts),
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
            confirmation=None,
            confirms=plan.folder.study_name,
            folder=folder.address,
            folder_token="",
        ),
    )


def with_seeds(space: ResolvedSpace, seed: int) -> ResolvedSpace:
    """``space`` where the seeds vary, the baseline's being ``seed``."""
    seeds: dict[str, Any] = dict.fromkeys(SEED_OPTIONS, seed)
    kept = tuple(p for p in space.parameters if p.name not in SEED_OPTIONS)
    varied = tuple(Int(name, 0, SEEDS - 1) for name in SEED_OPTIONS)
    return replace(space, baseline={**space.baseline, **seeds}, parameters=(*kept, *varied))


def refuse_other_study(plan: SearchPlan, storage: BaseStorage) -> None:
    """Raises ``UserError`` where another study has the confirmation's name."""
    name = plan.folder.of_confirmation().study_name
    if plan.record.confirmation is None or name not in get_all_study_names(storage):
        return
    study = load_study(study_name=name, storage=storage)
    record = read_record(study)
    alien = record is None and study.get_trials(deepcopy=False)
    if alien or (record and record.confirms != plan.folder.study_name):
        raise UserError(
            f"study {name!r}, in which the best would be confirmed, is another one; "
            "choose another --study-name, or --no-confirm"
        )
