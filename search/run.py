"""python -m search.run --space wrn_sam: search a space, prune, record, compare."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from search.common.errors import INTERRUPTED, run_main
from search.common.layout import DEFAULT_RESULTS
from search.common.secrets import command_without_secrets
from search.planning.flags import (
    SPACE_FILE_WARNING,
    OneLineParser,
    add_compute_flags,
    add_data_flags,
    add_processes_flag,
    add_space_flags,
)
from search.strategy.pruners import PRUNERS, Pruner
from search.strategy.samplers import SAMPLERS, Sampler

if TYPE_CHECKING:
    from search.planning.job import Job

TIMED_OUT_CODE = 3


def make_parser() -> argparse.ArgumentParser:
    """Flags as Optuna names them, where it has names."""
    parser = OneLineParser(
        prog="python -m search.run",
        description="Search a space of hyperparameters. The same command again goes on with it.",
        epilog=SPACE_FILE_WARNING,
    )
    add_space_flags(parser)
    add_data_flags(parser)
    add_compute_flags(parser, auto="a short probe")
    add_processes_flag(parser)
    add = parser.add_argument
    add("--study-name", help="default: the space's name, with -quick for that preset")
    add(
        "--storage",
        default=os.environ.get("OPTUNA_STORAGE"),
        metavar="URL",
        help="Optuna storage (env OPTUNA_STORAGE; default: sqlite:///results/studies.db)",
    )
    add("--results-dir", default=str(DEFAULT_RESULTS), help="default: results")
    add("--n-trials", type=int, help="the study's total, this run's and earlier ones' together")
    add("--timeout", type=float, metavar="SECONDS", help="stop then; live trials stay resumable")
    add("--sampler", metavar="NAME", help=f"default: tpe, or the preset's; {_choices(SAMPLERS)}")
    add("--pruner", metavar="NAME", help=f"default: halving, or the preset's; {_choices(PRUNERS)}")
    add("--seed", type=int, default=0, help="of the sampler; the trainer's: --set seed=N")
    add("--concurrency", type=int, metavar="N", help="trials at once")
    add(
        "--max-retries",
        type=int,
        default=2,
        metavar="N",
        help="of a trial whose worker died or hung, from its checkpoint (default: 2)",
    )
    add("--gpus-per-trial", type=float, metavar="F", help="may be a fraction")
    add(
        "--lr-range-test",
        action=argparse.BooleanOptionalAction,
        help="first narrow the learning rate by a range test (default: as the preset says)",
    )
    loud = parser.add_mutually_exclusive_group().add_argument
    loud("-q", "--quiet", action="store_true", help="show warnings and the result alone")
    loud("-v", "--verbose", action="store_true", help="show every event, epochs in detail")
    add("--dry-run", action="store_true", help="show what would be run; write nothing")
    return parser


def _choices(table: Mapping[str, Sampler] | Mapping[str, Pruner]) -> str:
    return "; ".join(f"{name}: {choice.help}" for name, choice in table.items())


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the study has its total; 3: time ran out; 130: interrupted; 2: wrong input;
    1: the storage stopped working."""
    arguments = sys.argv[1:] if argv is None else argv
    args = make_parser().parse_args(arguments)
    from search.planning.job import resolve

    job = resolve(args)
    print(f"{job.space.definition.name}: {job.preset_reason}", flush=True)
    if args.dry_run:
        from search.terminal.dry_run import show

        show(job)
        return 0
    command = command_without_secrets(["python", "-m", "search.run", *arguments])
    manner = "quiet" if args.quiet else "verbose" if args.verbose else "normal"
    return search(job, command, manner)


def search(job: Job, command: str, manner: str = "normal") -> int:
    """Runs ``job`` to its total, its time-out or a signal, and prints how it ended.

    ``manner`` of showing it: quiet, normal or verbose.
    """
    from rich.console import Console

    from search.ledger.events import FINISHED, TIMED_OUT
    from search.ledger.retrying import RetryingLedger
    from search.planning.check_data import check_data, prepare_data
    from search.planning.choose_execution import choose_execution, recorded_execution
    from search.planning.lr_range_first import range_first, recorded_range
    from search.planning.open_study import check_study, make_plan, open_study
    from search.storage.lease import Lease
    from search.storage.optuna_internals import storage_of
    from search.storage.storage import leave, watched
    from search.terminal.display import display_for, open_log
    from search.terminal.plain_line import say
    from search.terminal.search_summary import conclude
    from search.workers.driver import run_search
    from search.workers.train_task import train_task

    console = Console()
    data_folder = prepare_data(job.dataset, job.data_dir, console)
    data = check_data(job, data_folder)
    job = recorded_range(job)
    check_study(job, data)
    choice = recorded_execution(job) or choose_execution(job, data, data_folder, console.print)
    console.print(f"computing: {choice.reason}", highlight=False)
    job = replace(job, execution=choice.execution, resources=choice.resources)
    job = range_first(job, data_folder, partial(say, console))
    with watched(job.storage), Lease(job.folder) as lease, open_log(job.folder.log) as log:
        study = open_study(job, data, lease, command)
        display = display_for(job, study, console, log, manner)
        ledger = RetryingLedger(study, make_plan(job, study, data_folder), lease, display)
        ended = FINISHED
        if not ledger.is_met():
            with display.running():
                ended = run_search(ledger, job.resources, train_task, job.timeout)
        conclude(console, job, study, ended, command)
        leave(storage_of(study))
    return {FINISHED: 0, TIMED_OUT: TIMED_OUT_CODE}.get(ended, INTERRUPTED)


if __name__ == "__main__":
    sys.exit(run_main(main))
