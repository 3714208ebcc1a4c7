"""The end of a search in print: the best trial beside the recipe and the report's figures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from rich.box import HEAVY_HEAD
from rich.console import Console
from rich.text import Text

from search.common.formatting import duration
from search.common.layout import where
from search.common.secrets import without_secrets
from search.common.study_files import files_of
from search.record.record import StudyRecord
from search.record.trials import best_completed, reference_values, spending
from search.reporting.blocks import CHANGED, RULE, Table
from search.reporting.comparison import comparison
from search.reporting.rank_agreement import agreement_line
from search.reporting.verdict import beside, luck, sentence, state
from search.settings.plan import SearchPlan
from search.strategy.confirmed import confirming_trials, read_confirmation
from search.strategy.verdict import Verdict, chosen_trial, judge
from search.study.events import FINISHED
from search.terminal.plain_line import PlainTable, say

MOST_FAILURES = 5


def conclude(console: Console, plan: SearchPlan, study: Study, ended: str) -> None:
    """What came out, and the commands to go on with."""
    print_result(console, study, plan.record)
    if ended != FINISHED:
        command = plan.record.provenance.command
        say(console, f"{ended}; nothing is lost, the same command goes on:\n  {command}")
    places = where(plan.storage, plan.folder.results_dir)
    say(console, f"look:    python -m search.dashboard{places}")
    name = f" --study-name {shlex.quote(study.study_name)}"
    say(console, f"report:  python -m search.report{name}{places}")
    say(console, f"files:   {plan.folder.address}{weights_kept(plan)}")
    if plan.storage != without_secrets(plan.storage):
        say(console, "the storage's password is not shown; put the URL into OPTUNA_STORAGE")


def weights_kept(plan: SearchPlan) -> str:
    """How many best weights there are, and their size."""
    sizes = files_of(plan.folder).weights()
    which = f"--keep-weights {plan.keep_weights}"
    return f", with the best weights of {len(sizes)} trials, {sum(sizes) / 1e6:.1f} MB ({which})"


def leave_note(study: Study, results_dir: Path) -> None:
    """What any dashboard shows of the study, also one that is started without this program."""
    from search.dashboard_sync.notes import save_study_note
    from search.reporting.study_data import read_study

    if study.get_trials(deepcopy=False):
        save_study_note(study, read_study(study, results_dir))


def print_result(console: Console, study: Study, record: StudyRecord) -> None:
    """The verdict; table of best, trial 0 and reference; failures; what was spent."""
    trials = study.get_trials(deepcopy=False)
    confirming = confirming_trials(study)
    confirmation = read_confirmation(record, trials, confirming)
    verdict = judge(confirmation, trials) if confirmation else None
    best = chosen_trial(verdict, trials, best_completed(trials, study.direction))
    if verdict is not None:
        say_verdict(console, record, verdict)
    elif confirmation and confirming:
        say(console, state(confirmation))
    if best is None:
        say(console, "no trial has completed yet")
    else:
        table = comparison(study.study_name, record, best, trials[0], verdict)
        console.print(boxed(table))
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    for trial in failed[:MOST_FAILURES]:
        say(console, f"trial {trial.number} failed: {trial.user_attrs.get('reason')}")
    if len(failed) > MOST_FAILURES:
        say(console, f"… and {len(failed) - MOST_FAILURES} more failed")
    say(console, savings(trials, record.space.fixed))
    if confirming:
        say(console, f"confirmation: {savings(confirming, record.space.fixed)}")
    if line := agreement_line(trials):
        say(console, line)


def say_verdict(console: Console, record: StudyRecord, verdict: Verdict) -> None:
    """Above all else; what is beside it in lines of their own."""
    console.print(Text(sentence(verdict), style="bold"), soft_wrap=True)
    scale = "" if record.space.preset == "full" else " at its own scale"
    for text in (beside(verdict, reference_values(record.references), scale), luck(verdict)):
        if text:
            say(console, text)


def boxed(found: Table) -> PlainTable:
    """A report's table for the terminal; what is marked stands out."""
    table = PlainTable(found.title, found.headings, box=HEAVY_HEAD, title_justify="center")
    for row in found.rows:
        if row.mark == RULE:
            table.add_section()
        table.add_texts(*row.cells, style="bold" if row.mark == CHANGED else None)
    table.explain(found.caption)
    return table


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
