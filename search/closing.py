"""The end of a search in print: the best trial beside the recipe and the published figure."""

from __future__ import annotations

import shlex
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.table import Table

from search.driver import FINISHED
from search.job import Job
from search.say import say
from search.storage import hide_password
from search.wording import duration, number

SHOWN = (
    ("validation top-1 %", "val_top1"),
    ("test top-1 %", "test_top1"),
    ("test top-5 %", "test_top5"),
    ("test loss", "test_loss"),
)


def best_trial(study: Study) -> FrozenTrial | None:
    """The completed trial with the highest validation accuracy, the earliest of equals."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(done, key=lambda trial: (trial.value, -trial.number)) if done else None


def conclude(console: Console, job: Job, study: Study, ended: str, command: str) -> None:
    """What came out, and the commands to go on with."""
    print_result(console, study, job.config.epochs)
    if ended != FINISHED:
        say(console, f"{ended}; nothing is lost, the same command goes on:\n  {command}")
    storage = shlex.quote(hide_password(job.storage))
    say(console, f"look:    optuna-dashboard {storage}")
    name = shlex.quote(study.study_name)
    say(console, f"export:  optuna trials --storage {storage} --study-name {name} -f table")
    say(console, f"files:   {job.folder.path}")


def print_result(console: Console, study: Study, epochs: int) -> None:
    """Table of best, trial 0 and published; what the pruner saved."""
    trials = study.get_trials(deepcopy=False)
    best = best_trial(study)
    if best is None:
        console.print("no trial has completed yet")
        return
    console.print(comparison(study, best, trials[0]))
    for trial in trials:
        if trial.state == TrialState.FAIL:
            console.print(f"trial {trial.number} failed: {trial.user_attrs.get('reason')}")
    console.print(savings(trials, epochs), highlight=False)


def comparison(study: Study, best: FrozenTrial, recipe: FrozenTrial) -> Table:
    """Parameters and figures side by side; the best trial's changes stand out."""
    table = Table(title=f"{study.study_name}: {study.user_attrs['space']['title']}")
    table.add_column("")
    table.add_column(f"best: trial {best.number}", justify="right")
    table.add_column("trial 0: the recipe", justify="right")
    table.add_column("published", justify="right")
    for name, value in best.params.items():
        old = recipe.params.get(name)
        style = "bold" if value != old else "dim"
        table.add_row(name, number(value), number(old), "", style=style)
    table.add_section()
    published = published_figures(study)
    for label, key in SHOWN:
        table.add_row(label, figure(best, key), figure(recipe, key), published.get(key, ""))
    scale = f"{study.user_attrs['preset']} preset on {study.user_attrs['dataset']['name']}"
    table.caption = f"{scale}; published: {study.user_attrs['space']['source']}"
    if study.user_attrs["preset"] != "full":
        table.caption += " at its own scale, for orientation only"
    return table


def figure(trial: FrozenTrial, key: str) -> str:
    """A figure of a trial as it is printed; validation accuracy is the trial's value."""
    value: Any = trial.value if key == "val_top1" else trial.user_attrs.get(key)
    if value is None:
        return "–"
    return f"{value:.4f}" if "loss" in key else f"{value:.2f}"


def published_figures(study: Study) -> dict[str, str]:
    """The published figures of the recipe's own setting, by metric."""
    found: dict[str, str] = {}
    for reference in study.user_attrs.get("references", []):
        if not reference["setting"]:
            found.setdefault(reference["metric"], f"{reference['value']:g}")
    return found


def savings(trials: list[FrozenTrial], epochs: int) -> str:
    """How many epochs were trained, and how many pruning spared."""
    ended = [trial for trial in trials if trial.state.is_finished()]
    trained = sum(len(trial.intermediate_values) for trial in ended)
    pruned = [trial for trial in ended if trial.state == TrialState.PRUNED]
    spared = sum(epochs - len(trial.intermediate_values) for trial in pruned)
    share = 100 * spared / max(1, trained + spared)
    seconds = sum(trial.user_attrs.get("wall_seconds", 0.0) for trial in ended)
    return (
        f"{len(ended)} trials ended, {len(pruned)} of them pruned: {trained} epochs trained "
        f"({duration(seconds)} of workers' time), {spared} saved by pruning ({share:.0f} %)"
    )
