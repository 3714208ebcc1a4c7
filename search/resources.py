"""How much of the machine a search uses, and the default way to compute on it."""

from __future__ import annotations

from search.checks import at_least
from search.driver import Resources
from search.errors import UserError
from search.machine import cpu_count
from trainers.execution import Execution

SMALLEST_SHARE = 0.01  # of a GPU


def choose_resources(
    concurrency: int | None, threads: int | None, gpus_per_trial: float | None, gpus: int
) -> Resources:
    """Trials at once, threads and GPUs of each, from what was asked and what there is.

    Default on GPUs: one trial each. On the CPU: as many trials as cores, one thread each, since
    small networks gain more from a second trial than from a second thread.
    """
    at_least("concurrency", concurrency, 1)
    at_least("threads", threads, 1)
    at_least("gpus-per-trial", gpus_per_trial, 0)
    cores = cpu_count()
    per_trial = (1.0 if gpus else 0.0) if gpus_per_trial is None else gpus_per_trial
    if per_trial > 0:
        fit = trials_on_gpus(per_trial, gpus)
        if concurrency is not None and concurrency > fit:
            raise UserError(
                f"--concurrency must be at most {fit}, the trials that fit on {gpus} GPU(s) "
                f"with {per_trial:g} each, got {concurrency}"
            )
        at_once = concurrency or fit
        return Resources(at_once, threads or max(1, cores // at_once), per_trial)
    at_once = concurrency or max(1, cores // (threads or 1))
    return Resources(at_once, threads or max(1, cores // at_once))


def trials_on_gpus(per_trial: float, gpus: int) -> int:
    """How many trials fit at once; a part of a GPU cannot be put together from two."""
    if per_trial > gpus:
        raise UserError(f"--gpus-per-trial must be at most {gpus}, the GPUs found, got {per_trial}")
    if per_trial < SMALLEST_SHARE:
        raise UserError(f"--gpus-per-trial must be 0 or at least {SMALLEST_SHARE}, got {per_trial}")
    if per_trial > 1 and per_trial % 1:
        raise UserError(f"--gpus-per-trial must be a whole number above 1, got {per_trial}")
    return gpus * int(1 / per_trial + 1e-9) if per_trial <= 1 else int(gpus // per_trial)


def default_execution(resources: Resources, precision: str) -> Execution:
    """How to compute without a probe; a GPU of the last years is fastest in bfloat16."""
    if resources.gpus_per_trial > 0:
        chosen = "bfloat16" if precision == "auto" else precision
        return Execution("cuda", chosen, channels_last=True, threads=resources.threads)
    chosen = "float32" if precision == "auto" else precision
    return Execution("cpu", chosen, channels_last=True, threads=resources.threads)
