"""The end of a search in print: the best trial beside the recipe and the published figure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.box import HEAVY_HEAD
from rich.console import Console

from search.common.formatting import duration, number
from search.common.layout import DEFAULT_RESULTS, default_storage
from search.common.secrets import without_secrets
from search.ledger.events import FINISHED
from search.planning.plan import SearchPlan
from search.record.record import StudyRecord
from search.record.trials import best_completed, reference_values, spending
from search.terminal.plain_line import PlainTable, say

SHOWN = (
    ("validation top-1 %", "val_top1"),
    ("test top-1 %", "test_top1"),
    ("test top-5 %", "test_top5"),
    ("test loss", "test_loss"),
)
MOST_FAILURES = 5


def best_trial(study: Study) -> FrozenTrial | None:
    """The completed trial with the best validation accuracy, the earliest of equals."""
    return best_completed(study.get_trials(deepcopy=False), study.direction)


def conclude(console: Console, plan: SearchPlan, study: Study, ended: str) -> None:
    """What came out, and the commands to go on with; the result becomes the study's note."""
    print_result(console, study, plan.record)
    if ended != FINISHED:
        command = plan.record.provenance.command
        say(console, f"{ended}; nothing is lost, the same command goes on:\n  {command}")
    places = where(plan.storage, plan.folder.results_dir)
    say(console, f"look:    python -m search.dashboard{places}")
    name = f" --study-name {shlex.quote(study.study_name)}"
    say(console, f"report:  python -m search.report{name}{places}")
    say(console, f"files:   {plan.folder.path}")
    if plan.storage != without_secrets(plan.storage):
        say(console, "the storage's password is not shown; put the URL into OPTUNA_STORAGE")
    leave_note(study, plan.folder.results_dir)


def leave_note(study: Study, results_dir: Path) -> None:
    """What any dashboard shows of the study, also one that is started without this program."""
    from search.dashboard_sync.notes import save_study_note
    from search.reporting.study_data import read_study

    if study.get_trials(deepcopy=False):
        save_study_note(study, read_study(study, results_dir))


def where(storage: str, results_dir: Path) -> str:
    """The flags that lead another command to the studies; none that it would guess."""
    flags = ""
    if storage != (os.environ.get("OPTUNA_STORAGE") or default_storage(results_dir)):
        flags += f" --storage {shlex.quote(without_secrets(storage))}"
    if results_dir != DEFAULT_RESULTS:
        flags += f" --results-dir {shlex.quote(str(results_dir))}"
    return flags


def print_result(console: Console, study: Study, record: StudyRecord) -> None:
    """Table of best, trial 0 and published; failures; what the pruner saved."""
    trials = study.get_trials(deepcopy=False)
    best = best_completed(trials, study.direction)
    if best is None:
        say(console, "no trial has completed yet")
    else:
        console.print(comparison(study.study_name, record, best, trials[0]))
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    for trial in failed[:MOST_FAILURES]:
        say(console, f"trial {trial.number} failed: {trial.user_attrs.get('reason')}")
    if len(failed) > MOST_FAILURES:
        say(console, f"… and {len(failed) - MOST_FAILURES} more failed")
    say(console, savings(trials, record.space.recipe))


def comparison(
    name: str, record: StudyRecord, best: FrozenTrial, recipe: FrozenTrial
) -> PlainTable:
    """Parameters and figures side by side; the best trial's changes stand out."""
    table = PlainTable(
        f"{name}: {record.space.title}",
        ("", f"best: trial {best.number}", "trial 0: the recipe", "published"),
        box=HEAVY_HEAD,
        title_justify="center",
    )
    for parameter, value in best.params.items():
        old = recipe.params.get(parameter)
        style = "bold" if value != old else "dim"
        table.add_texts(parameter, number(value), number(old), "", style=style)
    table.add_section()
    published = published_figures(record)
    for label, key in SHOWN:
        table.add_texts(label, figure(best, key), figure(recipe, key), published.get(key, ""))
    caption = (
        f"{record.space.preset} preset on {record.data.name}; published: {record.space.source}"
    )
    if record.space.preset != "full":
        caption += " at its own scale, for orientation only"
    table.explain(caption)
    return table


def figure(trial: FrozenTrial, key: str) -> str:
    """A figure of a trial as it is printed; validation accuracy is the trial's value."""
    value: Any = trial.value if key == "val_top1" else trial.user_attrs.get(key)
    if value is None:
        return "–"
    return f"{value:.4f}" if "loss" in key else f"{value:.2f}"


def published_figures(record: StudyRecord) -> dict[str, str]:
    """The published figures of the recipe's own setting, by metric."""
    found = reference_values([asdict(item) for item in record.references])
    return {metric: f"{value:g}" for metric, value in found.items()}


def savings(trials: list[FrozenTrial], recipe: Mapping[str, Any]) -> str:
    """How many epochs were trained, and how many the pruner spared, where that is known."""
    spent = spending(trials, recipe)
    parts = [
        f"{spent.ended} trials ended, {spent.pruned} of them pruned: {spent.epochs_trained} epochs "
        f"trained ({duration(spent.seconds)} of workers' time)"
    ]
    if spent.epochs_saved:
        parts.append(f"{spent.epochs_saved} saved by pruning ({spent.saved_share:.0f} %)")
    if spent.copied:
        parts.append(f"{spent.copied} answered from the record")
    return ", ".join(parts)
