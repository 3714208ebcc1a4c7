"""--dry-run: what would be run. Nothing is written, no worker starts."""

from __future__ import annotations

import optuna
from rich.console import Console

from search.common.formatting import number, settings
from search.record.record import StrategyFacts
from search.settings.compatibility import as_begun
from search.settings.decide import choose_strategy, is_sized_by_time, range_test_steps
from search.settings.open_study import find_record
from search.settings.request import Request
from search.storage.storage import exists, open_storage
from search.strategy.distributions import draw
from search.strategy.samplers import make_sampler
from search.terminal.plain_line import PlainTable, say
from spaces.space import ResolvedSpace
from trainers.config import Config, TrainConfig, option_help


def show(request: Request) -> None:
    """Baseline, space, one sampled configuration, model size and scale of the search."""
    console = Console()
    storage = open_storage(request.storage) if exists(request.storage) else None
    record = find_record(request, storage) if storage else None
    if record:
        request = as_begun(request, record)
    console.print(baseline_table(request.config, request.space))
    console.print(space_table(request.space))
    strategy = choose_strategy(request, record.strategy if record else None)
    sample = sampled(request.space, strategy)
    say(console, f"one sample:  {settings(sample)}")
    for label, values in () if request.own_loop else (("baseline", {}), ("sample", sample)):
        say(console, f"model size, {label}: {model_size(request, values)}")
    scale = f"{strategy.n_trials} trials of up to {request.config.epochs} epochs"
    if record is None and is_sized_by_time(request, strategy):
        minutes = request.space.preset.minutes
        scale = f"trials of up to {request.config.epochs} epochs for about {minutes:g} minutes"
    budget = f", {strategy.epoch_budget} epochs in all" if strategy.epoch_budget else ""
    r = request.resources(record.execution if record else None)
    steps = range_test_steps(request)
    if steps and record is None:
        say(console, f"first: a learning-rate range test over {steps} mini-batches")
    say(
        console,
        f"would {'go on with' if record else 'run'}: study {request.study_name!r}, "
        f"{scale} on {request.dataset or 'its own data'}, sampler {strategy.sampler}, "
        f"pruner {strategy.pruner}{budget}; "
        f"{r.concurrency} at once with {r.threads} thread(s) and {r.gpus_per_trial:g} GPU(s) each",
    )


def baseline_table(config: Config, space: ResolvedSpace) -> PlainTable:
    """Every value of the baseline, those that vary marked."""
    table = PlainTable("baseline", ("", "value", "varies", "meaning"), right=())
    varies = {parameter.name for parameter in space.parameters}
    meaning = option_help(config) if isinstance(config, TrainConfig) else {}
    for name, value in config.to_dict().items():
        table.add_texts(name, number(value), "yes" if name in varies else "", meaning.get(name, ""))
    return table


def space_table(space: ResolvedSpace) -> PlainTable:
    """What varies, and where."""
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
    """What the sampler would draw first, after the baseline."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = make_sampler(strategy.sampler, space, strategy.seed)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for _ in range(2):
        trial = study.ask()
        draw(trial, space)
    return trial.params


def model_size(request: Request, values: dict[str, object]) -> str:
    """Parameters and multiply-accumulates of one configuration, for the data set's images."""
    from trainers.data import SHAPES
    from trainers.models.summary import summary_for

    shape = SHAPES.get(request.dataset)
    if shape is None:
        return "known once the data set is prepared, which a dry run does not do"
    config = TrainConfig.from_mapping(request.space.setting(values))
    summary = summary_for(config.to_dict(), shape)
    return f"{summary.parameters:,} parameters, {summary.macs:,} multiply-accumulates an image"
