"""A search without Ray: its trials train in this process, one after the other."""

from __future__ import annotations

from typing import Any

from optuna.study import Study
from rich.console import Console

from search.settings.check_data import check_data, prepare_data
from search.settings.decide import decide
from search.settings.open_study import find_record, open_study
from search.settings.request import make_request
from search.settings.run_settings import RunSettings
from search.storage.lease import Lease
from search.storage.storage import open_storage
from search.study.events import FINISHED
from search.study.messages import EpochDone, Remark
from search.study.trial_runner import TrialRunner
from search.workers.train_task import train_task


def run_here(runner: TrialRunner, *_: Any) -> str:
    """As ``search.workers.driver.run_search``, without resources and time-out."""
    import torch

    threads = torch.get_num_threads()
    while task := runner.ask():
        for message in train_task(task):
            assert not isinstance(message, Remark), message
            if not isinstance(message, EpochDone):
                runner.finish(task.number, message)
            elif not runner.report(task.number, message):
                break
    torch.set_num_threads(threads)
    return FINISHED


def search_here(*flags: str) -> Study:
    """What ``python -m search.run`` with ``flags`` decides and trains."""
    request = make_request(RunSettings.parse(flags))
    quiet = Console(quiet=True)
    data = prepare_data(request.dataset, request.data_dir, quiet, request.settings.image_size)
    meta = check_data(request, data)
    storage = open_storage(request.storage)
    plan, _ = decide(request, meta, data, find_record(request, storage), print)
    with Lease(plan.folder) as lease:
        study = open_study(plan, storage, lease)
        run_here(TrialRunner(study, plan, lease, lambda event: None))
    return study
