"""Searches as the command line would resolve them, and how the service would compute them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from benchmarks.data import dataset
from benchmarks.harness import Options
from search.planning.choose_execution import Choice, choose_execution
from search.planning.job import Job, resolve
from search.run import make_parser
from trainers.data import prepare
from trainers.data.prepared import load_prepared


def make_job(options: Options, *flags: str) -> Job:
    """The job of ``python -m search.run`` with ``flags``, on the benchmark's data set."""
    where = ["--dataset", dataset(options), "--data-dir", options.data_dir]
    return resolve(make_parser().parse_args([*where, *flags]))


def choice_of(job: Job) -> tuple[Choice, Path]:
    """Precision, layout, threads and trials at once as the service chooses them; the data."""
    console = Console(stderr=True)
    folder = prepare(job.dataset, job.data_dir)
    choice = choose_execution(job, load_prepared(folder)[0], folder, console.print)
    console.print(f"computing: {choice.reason}", highlight=False)
    return choice, folder
