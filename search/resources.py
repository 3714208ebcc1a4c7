"""How much of the machine a search uses, and the default way to compute on it."""

from __future__ import annotations

from search.checks import at_least
from search.driver import Resources
from search.errors import UserError
from search.machine import cpu_count
from trainers.execution import Execution


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
    if per_trial > gpus:
        raise UserError(f"--gpus-per-trial must be at most {gpus}, the GPUs found, got {per_trial}")
    if per_trial > 0:
        at_once = concurrency or max(1, int(gpus / per_trial))
        return Resources(at_once, threads or max(1, cores // at_once), per_trial)
    at_once = concurrency or max(1, cores // (threads or 1))
    return Resources(at_once, threads or max(1, cores // at_once))


def default_execution(resources: Resources, precision: str) -> Execution:
    """How to compute without a probe; a GPU of the last years is fastest in bfloat16."""
    if resources.gpus_per_trial > 0:
        chosen = "bfloat16" if precision == "auto" else precision
        return Execution("cuda", chosen, channels_last=True, threads=resources.threads)
    chosen = "float32" if precision == "auto" else precision
    return Execution("cpu", chosen, channels_last=True, threads=resources.threads)
