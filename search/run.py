"""python -m search.run --space wrn_sam: search a space, prune, record, compare."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from search.common.errors import INTERRUPTED, run_main
from search.settings.run_settings import RunSettings

if TYPE_CHECKING:
    from optuna.study import Study
    from rich.console import Console

    from search.settings.plan import SearchPlan
    from search.settings.request import Request

TIMED_OUT_CODE, ALL_FAILED_CODE = 3, 4


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns exit code 0: the study has its total; 4: every trial failed; 3: time
    ran out; 130: interrupted; 2: wrong input; 1: the storage stopped working."""
    started = time.monotonic()
    settings = RunSettings.parse(argv)
    from search.settings.request import make_request

    request = make_request(settings)
    print(f"{request.space.definition.name}: {request.preset_reason}", flush=True)
    from search.storage.storage import watched

    if settings.dry_run:
        from search.terminal.dry_run import show

        with watched(request.storage):
            show(request)
        return 0
    from search.study.events import ALL_FAILED, FINISHED, TIMED_OUT
    from search.terminal.notebook import make_console
    from search.terminal.search_summary import conclude

    console = make_console()
    outcome = search(request, console, started)
    with watched(request.storage):
        conclude(console, outcome.plan, outcome.study, outcome.ended)
    codes = {FINISHED: 0, TIMED_OUT: TIMED_OUT_CODE, ALL_FAILED: ALL_FAILED_CODE}
    return codes.get(outcome.ended, INTERRUPTED)


@dataclass(frozen=True)
class Outcome:
    """A search that has ended: ``finished``, ``timed out``, ``interrupted`` or ``every trial
    failed``."""

    plan: SearchPlan
    study: Study
    ended: str


def search(request: Request, console: Console, started: float | None = None) -> Outcome:
    """Runs the search to its total, its time-out or a signal; ``started`` is when it was asked for,
    by ``time.monotonic``. Where another driver begins the study meanwhile, it resumes that one."""
    from search.settings.open_study import BegunMeanwhileError

    started = time.monotonic() if started is None else started
    try:
        return _search(request, console, started)
    except BegunMeanwhileError:
        return _search(request, console, started)


def _search(request: Request, console: Console, started: float) -> Outcome:
    from search.common.file_store import files_of
    from search.record.trials import all_failed
    from search.settings.check_data import check_data, prepare_data
    from search.settings.decide import plan_search
    from search.settings.open_study import SECONDS_TO_WAIT, open_study
    from search.storage.lease import Lease
    from search.storage.storage import leave, open_storage, watched, write_often
    from search.study.events import ALL_FAILED, FINISHED
    from search.study.reevaluation import open_reevaluation
    from search.study.retrying import RetryingRunner
    from search.study.trial_runner import TrialRunner
    from search.terminal.display import display_for, open_log
    from search.terminal.plain_line import say
    from search.terminal.search_summary import update_notes
    from search.workers.driver import run_search
    from search.workers.train_task import train_task

    data_folder = prepare_data(
        request.dataset, request.data_dir, console, request.settings.image_size
    )
    data = check_data(request, data_folder)  # before a database is made
    storage = open_storage(request.storage, sqlite_wait=SECONDS_TO_WAIT)
    with watched(request.storage):
        plan, notes = plan_search(request, data, data_folder, storage, partial(say, console))
        for note in notes:
            say(console, note)
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
            verbosity = request.settings.verbosity
            display = display_for(plan, study, console, log, verbosity, keep_notes)
            runner = RetryingRunner(study, plan, lease, display)
            if request.settings.retry_failed:
                runner.retry_failed()

            runners: list[TrialRunner] = [runner]

            def reevaluation() -> TrialRunner | None:
                confirming = open_reevaluation(plan, study, storage, leases, display)
                if confirming is not None:
                    runners.append(confirming)
                    display.turn_to(confirming.study, confirming.plan)
                    if request.settings.retry_failed:
                        confirming.retry_failed()
                return confirming

            left = None if plan.timeout is None else started + plan.timeout - time.monotonic()
            work = partial(train_task, gpus=plan.resources.gpus_per_trial)
            with display.running():
                ended = run_search(runner, plan.resources, work, left, reevaluation)
            for each in runners:
                each.remove_leftovers()
            keep_notes()
            leave(storage)
            files.publish(plan.folder.log)
        if ended == FINISHED and all_failed(study.get_trials(deepcopy=False)):
            ended = ALL_FAILED
    return Outcome(plan, study, ended)


if __name__ == "__main__":
    sys.exit(run_main(main))
