"""--dry-run: the search's own decisions, up to the first write. No worker starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import optuna

from search.common.formatting import number, settings
from search.record.record import StrategyFacts, StudyRecord
from search.settings.check_data import NO_DATA, data_if_prepared
from search.settings.decide import plan_search
from search.settings.open_study import find_record
from search.settings.plan import SearchPlan
from search.settings.request import Request
from search.storage.storage import open_if_there
from search.strategy.distributions import draw
from search.strategy.samplers import make_sampler
from search.terminal.notebook import make_console
from search.terminal.plain_line import PlainTable, say
from spaces.space import ResolvedSpace
from trainers.config import TrainConfig
from trainers.data.prepared import Meta


def show(request: Request) -> None:
    """Prints the plan, decided as the search decides it, then the space, one sampled configuration
    and the size of the network. Raises ``UserError`` where the search would."""
    console = make_console()
    folder, data = data_if_prepared(request, console)
    storage = open_if_there(request.storage)
    found = None if storage is None else find_record(request, storage)
    if data is None:
        say(console, "the data set is not prepared yet: whether the space fits it is not checked")
    data = data or _as_recorded(found)
    quiet = partial(say, console)
    plan, notes = plan_search(request, data, folder, storage, quiet, measure=False)
    n, epochs = plan.n_trials, request.config.epochs
    scale = f"up to {n} trials of up to {epochs} epochs"
    budget = f", {plan.epoch_budget} epochs in all" if plan.epoch_budget else ""
    say(
        console,
        f"would {'resume' if found else 'start'}: study {request.study_name!r}, {scale} on "
        f"{request.dataset or 'its own data'}, sampler {plan.record.strategy.sampler}, "
        f"pruner {plan.record.strategy.pruner}{budget}",
    )
    for note in notes:
        say(console, f"  {note}")
    console.print(space_table(plan.space))
    sample = sampled(plan.space, plan.record.strategy)
    say(console, f"one sample:  {settings(sample)}")
    for label, values in () if request.own_loop else (("baseline", {}), ("sample", sample)):
        say(console, f"model size, {label}: {model_size(plan, data, request, values)}")
    say(console, f"fixed:  {settings(plan.record.space.fixed)}")


def _as_recorded(found: StudyRecord | None) -> Meta:
    """Return what the study's record says of its data; nothing where there is none."""
    if found is None:
        return NO_DATA
    data = found.data
    return replace(
        NO_DATA,
        name=data.name,
        classes=data.classes,
        shapes=dict(data.shapes),
        fingerprint=data.fingerprint,
    )


def space_table(space: ResolvedSpace) -> PlainTable:
    """Return a table of what varies, in which interval, and the baseline's values."""
    headings = ("parameter", "interval", "baseline")
    table = PlainTable(f"space {space.definition.name}", headings, right=())
    baseline = space.baseline_params()
    for parameter in space.parameters:
        value = number(baseline[parameter.name]) if parameter.name in baseline else ""
        table.add_texts(parameter.name, parameter.describe(), value)
    for constraint in space.definition.constraints:
        table.add_texts("constraint", constraint.description, "")
    return table


def sampled(space: ResolvedSpace, strategy: StrategyFacts) -> dict[str, object]:
    """Return what the sampler would draw first, after the baseline."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = make_sampler(strategy.sampler, space, strategy.seed)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for _ in range(2):
        trial = study.ask()
        draw(trial, space)
    return trial.params


def model_size(plan: SearchPlan, data: Meta, request: Request, values: Mapping[str, object]) -> str:
    """Return parameters and multiply-accumulates of one configuration, for the data set's
    images."""
    from trainers.data import SHAPES, ImageShape
    from trainers.models.summary import summary_for

    shape = SHAPES.get(request.dataset)
    if data.shapes:
        _, side, _, channels = data.shapes["train_images"]
        shape = ImageShape(side, channels, len(data.classes))
    if shape is None:
        return "known once the data set is prepared, which a dry run does not do"
    config = TrainConfig.from_mapping({**plan.space.baseline, **values})
    summary = summary_for(config.to_dict(), shape)
    return f"{summary.parameters:,} parameters, {summary.macs:,} multiply-accumulates per image"
