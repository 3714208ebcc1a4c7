"""The end of a search in print: the verdict, the best trial beside the baseline, where things
are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.text import Text

from search.common.file_store import files_of
from search.common.formatting import duration
from search.common.locations import where
from search.common.secrets import without_secrets
from search.record.trials import spending
from search.reporting.blocks import CHANGED, RULE, Table
from search.reporting.comparison import comparison
from search.reporting.rank_agreement import agreement_line
from search.reporting.study_data import StudyData, read_study
from search.reporting.verdict import state, verdict_lines
from search.settings.plan import SearchPlan
from search.settings.setting import program
from search.study.events import ALL_FAILED, FINISHED
from search.terminal.plain_line import PlainTable, say

MOST_FAILURES = 5


def conclude(console: Console, plan: SearchPlan, study: Study, ended: str) -> None:
    """Print what came out, and the commands to resume with."""
    if study.get_trials(deepcopy=False):
        print_result(console, read_study(study, plan.folder.results_dir, plan.storage))
    else:
        say(console, "no trial has begun yet")
    command = plan.record.provenance.command
    if ended == ALL_FAILED:
        say(console, f"{ended}; once the cause is mended, --retry-failed tries them again")
    elif ended != FINISHED:
        say(console, f"{ended}; progress saved; rerun to resume:\n  {command}")
    places = where(plan.storage, plan.folder.results_dir)
    say(console, f"dashboard:  {program('dashboard')}{places}")
    name = f" --study-name {shlex.quote(study.study_name)}"
    say(console, f"report:     {program('report')}{name}{places}")
    say(console, f"files:      {plan.folder.address}{weights_kept(plan)}")
    if plan.storage != without_secrets(plan.storage):
        say(console, "the storage's password is not shown; put the URL into OPTUNA_STORAGE")


def weights_kept(plan: SearchPlan) -> str:
    """Return how many best weights there are, and their size."""
    sizes = files_of(plan.folder).weights()
    which = f"--keep-weights {plan.keep_weights}"
    return f", with the best weights of {len(sizes)} trials, {sum(sizes) / 1e6:.1f} MB ({which})"


def update_notes(study: Study, results_dir: Path) -> None:
    """Write what any dashboard shows of the study. Importing the dashboard takes seconds, so it
    happens once there is something to say."""
    from search.reporting.dashboard_notes import save_notes

    if study.get_trials(deepcopy=False):
        save_notes(study, read_study(study, results_dir))


def print_result(console: Console, data: StudyData) -> None:
    """Print the verdict; baseline, best and published figures; failures; what was spent."""
    print_verdict(console, data)
    table = comparison(data)
    if table is not None:
        console.print(boxed(table))
    failed = [trial for trial in data.frozen if trial.state == TrialState.FAIL]
    for trial in failed[:MOST_FAILURES]:
        say(console, f"trial {trial.number} failed: {trial.user_attrs.get('reason')}")
    if len(failed) > MOST_FAILURES:
        say(console, f"… and {len(failed) - MOST_FAILURES} more failed")
    if table is None:
        say(console, "no trial has completed yet")
    fixed = data.record.space.fixed if data.record else {}
    say(console, savings(data.frozen, fixed))
    if data.confirming:
        say(console, f"re-evaluation: {savings(data.confirming, fixed)}")
    if line := agreement_line(data.frozen):
        say(console, line)


def print_verdict(console: Console, data: StudyData) -> None:
    """Print it above all else; what is beside it in lines of their own."""
    if data.verdict is not None:
        references, scale = data.baseline_references, data.at_report_scale
        first, *others = verdict_lines(data.verdict, references, scale)
        console.print(Text(first, style="bold"), soft_wrap=True)
        for text in others:
            say(console, text)
    elif data.reevaluation and data.confirming:
        say(console, state(data.reevaluation))


def boxed(found: Table) -> PlainTable:
    """Return a report's table for the terminal; what is marked stands out."""
    table = PlainTable(found.title, found.headings, box=HEAVY_HEAD, title_justify="center")
    for row in found.rows:
        if row.mark == RULE:
            table.add_section()
        table.add_texts(*row.cells, style="bold" if row.mark == CHANGED else None)
    table.explain(found.caption)
    return table


def savings(trials: Sequence[FrozenTrial], fixed: Mapping[str, Any]) -> str:
    """Return how many epochs were trained, and how many pruning saved, where that is known."""
    spent = spending(trials, fixed)
    parts = [
        f"{spent.ended} trials ended, {spent.pruned} of them pruned: {spent.epochs_trained} epochs "
        f"trained (worker time {duration(spent.seconds)})"
    ]
    if spent.epochs_saved:
        parts.append(f"{spent.epochs_saved} saved by pruning ({spent.saved_share:.0f} %)")
    if spent.copied:
        parts.append(f"{spent.copied} answered from the record")
    return ", ".join(parts)
