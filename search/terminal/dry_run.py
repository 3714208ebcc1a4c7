"""--dry-run: what would be run. Nothing is written, no worker starts."""

from __future__ import annotations

import optuna
from rich.console import Console

from search.common.formatting import number, settings
from search.planning.job import Job
from search.strategy.distributions import distributions
from search.strategy.samplers import make_sampler
from search.terminal.plain_line import PlainTable, say
from spaces.space import ScaledSpace
from trainers.config import TrainConfig, option_help


def show(job: Job) -> None:
    """Recipe, space, one sampled configuration, model size and scale of the search."""
    console = Console()
    console.print(recipe_table(job.config, job.space))
    console.print(space_table(job.space))
    sample = sampled(job)
    say(console, f"one sample:  {settings(sample)}")
    for label, values in (("recipe", {}), ("sample", sample)):
        say(console, f"model size, {label}: {model_size(job, values)}")
    r = job.resources
    if job.lr_range_steps:
        say(console, f"first: a learning-rate range test over {job.lr_range_steps} mini-batches")
    say(
        console,
        f"would run: study {job.study_name!r}, {job.n_trials} trials of up to "
        f"{job.config.epochs} epochs on {job.dataset}, sampler {job.sampler}, pruner {job.pruner}; "
        f"{r.concurrency} at once with {r.threads} thread(s) and {r.gpus_per_trial:g} GPU(s) each",
    )


def recipe_table(config: TrainConfig, space: ScaledSpace) -> PlainTable:
    """Every value of the recipe, those that vary marked."""
    table = PlainTable("recipe", ("", "value", "varies", "meaning"), right=())
    varies = set(space.baseline())
    meaning = option_help(config)
    for name, value in config.to_dict().items():
        table.add_texts(name, number(value), "yes" if name in varies else "", meaning[name])
    return table


def space_table(space: ScaledSpace) -> PlainTable:
    """What varies, and where."""
    headings = ("parameter", "interval", "recipe")
    table = PlainTable(f"space {space.definition.name}", headings, right=())
    for parameter in space.parameters:
        value = number(space.recipe[parameter.name])
        table.add_texts(parameter.name, parameter.describe(), value)
    for constraint in space.definition.constraints:
        table.add_texts("constraint", constraint.description, "")
    return table


def sampled(job: Job) -> dict[str, object]:
    """What the sampler would draw first, after the recipe."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space_distributions = distributions(job.space.parameters)
    sampler = make_sampler(job.sampler, job.space, job.seed)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.ask(space_distributions)
    return study.ask(space_distributions).params


def model_size(job: Job, values: dict[str, object]) -> str:
    """Parameters and multiply-accumulates of one setting, for the data set's images."""
    import torch

    from trainers.data import open_prepared, prepare
    from trainers.models import build_model
    from trainers.models.summary import summarize

    data = open_prepared(prepare(job.dataset, job.data_dir))
    config = TrainConfig.from_mapping({**job.space.recipe, **values})
    with torch.device("meta"):
        model = build_model(config.to_dict(), data.num_classes, data.in_channels, data.image_size)
    summary = summarize(model, data.in_channels, data.image_size, 1)
    return f"{summary.parameters:,} parameters, {summary.macs:,} multiply-accumulates an image"
