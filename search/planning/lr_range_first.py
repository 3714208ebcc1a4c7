"""The learning-rate range test that a search can run first, recorded with its study."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from optuna import get_all_study_names, load_study

from search.common.errors import UserError, one_line
from search.planning.job import Job
from search.planning.lr_interval import lr_parameter, narrowed, with_interval
from search.planning.open_study import IDENTITY, LR_RANGE
from search.storage.storage import open_storage


def recorded_range(job: Job) -> Job:
    """``job`` with the interval that its study began with, if there is a study: then no test is
    run again. Raises ``UserError`` if a test is asked for that the study began without."""
    storage = open_storage(job.storage)
    if job.study_name not in get_all_study_names(storage):
        return job
    attributes = load_study(study_name=job.study_name, storage=storage).user_attrs
    if IDENTITY not in attributes:
        return job
    record = attributes.get(LR_RANGE)
    if record is None and job.asked.lr_range_test:
        raise UserError(
            f"study {job.study_name!r} was begun without a range test; "
            "leave out --lr-range-test, or choose another --study-name"
        )
    refused = job.asked.lr_range_test is False or lr_parameter(job.space) is None
    if record is None or refused:  # where that differs from the study, its identity check says so
        return replace(job, lr_range_steps=0)
    space = with_interval(job.space, record["low"], record["high"])
    return replace(job, lr_range_steps=0, lr_range=record, space=space)


def range_first(job: Job, data_folder: Path, announce: Callable[[str], None]) -> Job:
    """``job`` with its learning rate narrowed by a range test of the recipe, if it wants one.

    The curve goes to ``lr_range.csv`` and ``.png`` in the study's folder.
    """
    if job.lr_range is not None:
        announce(f"as the study began: {in_words(job.lr_range)}")
    if not job.lr_range_steps:
        return job
    announce(f"learning-rate range test over {job.lr_range_steps} mini-batches")
    sweep = {"start": 1e-5, "end": 1.0, "steps": job.lr_range_steps}
    suggestion = _run(job, data_folder, sweep)["suggestion"]
    space = job.space if suggestion is None else narrowed(job.space, suggestion, job.config)
    lr = lr_parameter(space)
    assert lr is not None
    record = {"suggestion": suggestion, "low": lr.low, "high": lr.high, **sweep}
    announce(in_words(record))
    return replace(job, space=space, lr_range=record)


def in_words(record: Mapping[str, Any]) -> str:
    """What a recorded test came to."""
    interval = f"lr is searched from {record['low']:g} to {record['high']:g}"
    if record["suggestion"] is None:
        return f"range test: the loss never falls, so {interval}"
    return f"range test: the loss falls fastest at {record['suggestion']:.3g}; {interval}"


def _run(job: Job, data_folder: Path, sweep: Mapping[str, Any]) -> dict[str, Any]:
    """In a process of its own, so that neither threads nor GPU memory stay with the driver."""
    task = {
        "config": job.config.to_dict(),
        "execution": asdict(job.execution),
        "data": str(data_folder.resolve()),
        "sweep": sweep,
        "folder": str(job.folder.path.resolve()),
    }
    command = [sys.executable, "-m", "trainers.lr_range", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = one_line(done.stderr.strip().splitlines()[-1]) if done.stderr.strip() else ""
        raise UserError(
            f"the range test ended with exit code {done.returncode}: {said}; "
            "search without it: --no-lr-range-test"
        )
    return json.loads(done.stdout.splitlines()[-1])
