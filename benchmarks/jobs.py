"""Searches as the command line asks for them, and how the service would compute them."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from benchmarks.data import dataset
from benchmarks.harness import Options
from search.record.record import StudyRecord
from search.settings.decide import decide
from search.settings.plan import SearchPlan
from search.settings.request import Request, make_request
from search.settings.run_settings import RunSettings
from trainers.data import prepare
from trainers.data.prepared import load_prepared


def request_of(options: Options, *flags: str) -> Request:
    """What is asked for by ``python -m search.run`` with ``flags``, on the benchmark's data set."""
    where = ["--dataset", dataset(options), "--data-dir", options.data_dir]
    return make_request(RunSettings.parse([*where, *flags]))


def plan_of(request: Request, found: StudyRecord | None = None) -> SearchPlan:
    """Precision, layout, threads and trials at once as the service chooses them; no range test."""
    console = Console(stderr=True)
    folder = prepare(request.dataset, request.data_dir)
    asked = replace(request, settings=replace(request.settings, lr_range_test=False))
    plan, notes = decide(asked, load_prepared(folder)[0], folder, found, console.print)
    console.print(notes[0], highlight=False)
    return plan
