"""python -m search.run --space wrn_sam: search a space, prune, record, compare."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from search.common.errors import INTERRUPTED, run_main
from search.common.secrets import command_without_secrets
from search.settings.flags import (
    DEFAULT_TOP,
    SPACE_FILE_WARNING,
    OneLineParser,
    add_compute_flags,
    add_data_flags,
    add_processes_flag,
    add_space_flags,
    add_study_flags,
)
from search.strategy.pruners import PRUNERS, Pruner
from search.strategy.samplers import SAMPLERS, Sampler

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from rich.console import Console

    from search.settings.plan import SearchPlan
    from search.settings.request import Request
    from trainers.data.prepared import Meta

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
    add(
        "--range",
        action="append",
        default=[],
        metavar="KEY=LOW:HIGH",
        help="search a part of a hyperparameter's interval; repeatable",
    )
    add("--study-name", help="default: the space's name, with -quick for that preset")
    add_study_flags(parser)
    add("--n-trials", type=int, help="the study's total, this run's and earlier ones' together")
    add("--epoch-budget", type=int, metavar="N", help="the study's total of epochs, likewise")
    add("--timeout", type=float, metavar="SECONDS", help="stop then; live trials stay resumable")
    add("--sampler", metavar="NAME", help=f"default: tpe, or the preset's; {_choices(SAMPLERS)}")
    add(
        "--pruner", metavar="NAME", help=f"default: promotion, or the preset's; {_choices(PRUNERS)}"
    )
    add(
        "--enqueue-from",
        metavar="STUDY",
        help="start with another study's best, after the baseline",
    )
    add("--top", type=int, metavar="K", help=f"how many of them (default: {DEFAULT_TOP})")
    add("--seed", type=int, help="of the sampler (default: 0); the trainer's: --set seed=N")
    add(
        "--concurrency",
        type=int,
        metavar="N",
        help="trials at once (default: as many as this machine, or the cluster, has room for)",
    )
    add(
        "--max-retries",
        type=int,
        default=2,
        metavar="N",
        help="of a trial whose worker died or hung, from its checkpoint (default: 2)",
    )
    add(
        "--retry-failed",
        action="store_true",
        help="let trials that failed be tried again, as new trials of the same parameters",
    )
    add(
        "--keep-weights",
        metavar="WHICH",
        help="of trials that have ended, the best weights of: best (default), the best three and "
        "the baseline; all; none",
    )
    add("--confirm", type=int, metavar="K", help="settings to confirm (default: the preset's)")
    add(
        "--confirm-seeds",
        type=int,
        metavar="R",
        help="fresh seeds by which the winner and the baseline are judged (default: the preset's)",
    )
    add("--no-confirm", dest="confirm", action="store_const", const=0, help="leave that out")
    add(
        "--ray-address",
        default=os.environ.get("RAY_ADDRESS"),
        metavar="HOST:PORT",
        help="train on this Ray cluster, or auto (env RAY_ADDRESS; default: a private Ray)",
    )
    add(
        "--device-kinds",
        metavar="WHICH",
        help="of a cluster's devices: same (default), those like the study's first; any, recorded "
        "with each trial, whose curves then differ in their last digits",
    )
    add(
        "--gpus-per-trial",
        type=float,
        metavar="F",
        help="may be a fraction (default: one, or as a probe finds for large data)",
    )
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
    started = time.monotonic()
    arguments = sys.argv[1:] if argv is None else argv
    args = make_parser().parse_args(arguments)
    from search.settings.request import make_request

    command = command_without_secrets(["python", "-m", "search.run", *arguments])
    request = make_request(args, command)
    print(f"{request.space.definition.name}: {request.preset_reason}", flush=True)
    if args.dry_run:
        from search.terminal.dry_run import show

        show(request)
        return 0
    from search.storage.storage import watched
    from search.study.events import FINISHED, TIMED_OUT
    from search.terminal.notebook import make_console
    from search.terminal.search_summary import conclude

    console = make_console()
    outcome = search(request, console, verbosity_of(args), started)
    with watched(request.storage):
        conclude(console, outcome.plan, outcome.study, outcome.ended)
    return {FINISHED: 0, TIMED_OUT: TIMED_OUT_CODE}.get(outcome.ended, INTERRUPTED)


def verbosity_of(args: argparse.Namespace) -> str:
    """As ``search.terminal.display.Display`` knows them."""
    return "quiet" if args.quiet else "verbose" if args.verbose else "normal"


@dataclass(frozen=True)
class Outcome:
    """A search that has ended: ``finished``, ``timed out`` or ``interrupted``."""

    plan: SearchPlan
    study: Study
    ended: str


def decided(
    request: Request, data: Meta, data_folder: Path, storage: BaseStorage, console: Console
) -> SearchPlan:
    """The plan of ``request``, each decision said. Raises ``UserError``."""
    from search.settings.confirming import refuse_other_study
    from search.settings.decide import decide
    from search.settings.disk_space import lack_of_room
    from search.settings.enqueue_from import with_starting_points
    from search.settings.open_study import find_record
    from search.terminal.plain_line import say

    found = find_record(request, storage)
    plan, notes = decide(request, data, data_folder, found, partial(say, console))
    plan = with_starting_points(plan, request, storage)
    refuse_other_study(plan, storage)
    for note in filter(None, (*notes, lack_of_room(plan, data))):
        say(console, note)
    return plan


def search(
    request: Request, console: Console, verbosity: str = "normal", started: float | None = None
) -> Outcome:
    """Runs the search to its total, its time-out or a signal.

    ``verbosity`` is quiet, normal or verbose; ``started`` when it was asked for, by
    ``time.monotonic``.
    """
    from search.common.study_files import files_of
    from search.settings.check_data import check_data, prepare_data
    from search.settings.open_study import SECONDS_TO_WAIT, open_study
    from search.storage.lease import Lease
    from search.storage.storage import leave, open_storage, watched, write_often
    from search.study.confirming import open_confirmation
    from search.study.retrying import RetryingRunner
    from search.study.trial_runner import TrialRunner
    from search.terminal.display import display_for, open_log
    from search.terminal.search_summary import update_notes
    from search.workers.driver import run_search
    from search.workers.train_task import train_task

    started = time.monotonic() if started is None else started
    data_folder = prepare_data(request.dataset, request.data_dir, console, request.image_size)
    data = check_data(request, data_folder)  # before a database is made
    storage = open_storage(request.storage, sqlite_wait=SECONDS_TO_WAIT)
    with watched(request.storage):
        plan = decided(request, data, data_folder, storage, console)
        with (
            Lease(plan.folder, storage) as lease,
            open_log(plan.folder.log) as log,
            ExitStack() as leases,
        ):
            files = files_of(plan.folder)
            files.publish(plan.folder.lr_range)
            write_often(storage)
            study = open_study(plan, storage, lease)
            keep_notes = partial(update_notes, study, plan.folder.results_dir)
            display = display_for(plan, study, console, log, verbosity, keep_notes)
            runner = RetryingRunner(study, plan, lease, display)
            if request.retry_failed:
                runner.retry_failed()

            runners: list[TrialRunner] = [runner]

            def confirmation() -> TrialRunner | None:
                confirming = open_confirmation(plan, study, storage, leases, display)
                if confirming is not None:
                    runners.append(confirming)
                    display.turn_to(confirming.study, confirming.plan)
                    if request.retry_failed:
                        confirming.retry_failed()
                return confirming

            left = None if plan.timeout is None else started + plan.timeout - time.monotonic()
            work = partial(train_task, gpus=plan.resources.gpus_per_trial)
            with display.running():
                ended = run_search(runner, plan.resources, work, left, confirmation)
            for each in runners:
                each.leftovers.sweep(each.study.get_trials(deepcopy=False))
            keep_notes()
            leave(storage)
            files.publish(plan.folder.log)
    return Outcome(plan, study, ended)


if __name__ == "__main__":
    sys.exit(run_main(main))
