"""``--timeout``: seconds, or until the Slurm job ends."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import datetime
from numbers import Real

from search.common.errors import UserError, at_least, one_line
from search.common.formatting import duration

JOB = "job"
JOB_ID, JOB_END = "SLURM_JOB_ID", "SLURM_JOB_END_TIME"
# A search stops so many seconds before its job ends. Slurm may send the warning signal of
# `--signal=USR2@120` a minute early: by then the search has stopped by itself.
SECONDS_TO_STOP = 180
NO_END = ("", "0", "Unknown", "NONE")  # of a job without a time limit


def read_timeout(text: str) -> str | float:
    """Return the number in ``text``; ``text`` itself where it is none."""
    try:
        return float(text)
    except ValueError:
        return text


def check_timeout(timeout: str | float | None) -> None:
    """Raises ``UserError`` unless ``timeout`` is None, ``job`` or a number of seconds."""
    if timeout is None or timeout == JOB:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, Real):
        raise UserError(f"--timeout must be a number of seconds, or {JOB}, got {timeout!r}")
    at_least("timeout", float(timeout), 0)


def seconds_until_timeout(timeout: str | float | None) -> float | None:
    """Return the seconds from now after which a search is to stop; None where nothing limits it.

    Within a Slurm job, None is read as ``job`` if the job's end can be found. Raises ``UserError``
    where ``job`` is asked for elsewhere, and where the job ends too soon to begin.
    """
    if isinstance(timeout, (int, float)):
        return timeout
    if JOB_ID not in os.environ:
        if timeout == JOB:
            raise UserError(
                f"--timeout {JOB} needs a Slurm job, but {JOB_ID} is not set; submit the search "
                "with sbatch, or give a number of seconds"
            )
        return None
    try:
        end = _end_of_job()
    except UserError:
        if timeout == JOB:
            raise
        return None
    if end is None:
        return None
    left = end - time.time()
    if left <= SECONDS_TO_STOP:
        raise UserError(
            f"the Slurm job ends in {max(0, left):.0f} s, and a search stops {SECONDS_TO_STOP} s "
            "before that; ask Slurm for more --time, or give --timeout in seconds"
        )
    return left - SECONDS_TO_STOP


def in_words(asked: str | float | None, seconds: float | None) -> str:
    """Return a line about a time-out that follows from the Slurm job; "" for any other."""
    if asked not in (None, JOB) or seconds is None:
        return ""
    return f"time: {duration(seconds)}, until {SECONDS_TO_STOP} s before the Slurm job ends"


def _end_of_job() -> float | None:
    """Return when this Slurm job ends, in seconds since the epoch; None where it has no limit.

    Slurm sets the variable since 22.05; `scontrol` knows it in all releases.
    """
    variable = os.environ.get(JOB_END)
    text = _ask_scontrol(os.environ[JOB_ID]) if variable is None else variable
    if text in NO_END:
        return None
    try:
        return datetime.fromisoformat(text).timestamp() if variable is None else float(text)
    except ValueError:
        raise _unknown_end(f"got {text!r}") from None


def _ask_scontrol(job: str) -> str:
    """Return what follows ``EndTime=``, local time as ISO 8601."""
    command = ["scontrol", "show", "job", job, "-o"]
    environment = {**os.environ, "SLURM_TIME_FORMAT": "standard"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unknown_end(one_line(error)) from None
    for word in done.stdout.split():
        name, _, value = word.partition("=")
        if name == "EndTime":
            return value
    raise _unknown_end(one_line(done.stderr.strip() or "scontrol names no EndTime"))


def _unknown_end(cause: str) -> UserError:
    return UserError(
        f"--timeout {JOB}: the end of the Slurm job is not known: {cause}; give a number of seconds"
    )
